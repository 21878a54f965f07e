/** What is written to the source while it waits for its crash, and what of it has to be where afterwards. */
import { expect } from 'vitest';
import type { Api, TestRecord } from '../../lib/api.ts';

export const BUCKET = 'raw';
export const ENTRIES = ['sensor-1', 'line/motor'];
const LARGE_BYTES = 2_500_000;

export function makeRecord(serial: number): TestRecord {
  const isLarge = serial % 20 === 19;
  const payload = Buffer.alloc(isLarge ? LARGE_BYTES : 100 + (serial % 900), `record ${serial} `);
  const state = serial % 3 === 0 ? 'idle' : 'working';
  return { ts: BigInt(serial), payload, labels: { state, serial: String(serial) } };
}

export const entryOf = (serial: number): string => ENTRIES[serial % ENTRIES.length] ?? 'sensor-1';
export const matches = (record: TestRecord): boolean => record.labels['state'] === 'working';

/** Whether the target has another record in its place: it becomes a dead letter. */
export const isTaken = (serial: number): boolean => serial % 10 === 4 && serial % 3 !== 0;

/** What the target has in the place of a record. */
export function takenRecord(serial: number): TestRecord {
  return { ts: BigInt(serial), payload: Buffer.from('somebody else'), labels: {} };
}

/** Writes records, updates and batches until the crash; knows what was acknowledged. */
export class Workload {
  /** Serials of acknowledged records. */
  readonly written: number[] = [];
  /** Serials of records whose update was acknowledged. */
  readonly updated: number[] = [];
  readonly #api: Api;
  #serial = 0;
  #nextUpdate = 0;

  constructor(api: Api) {
    this.#api = api;
  }

  async round(): Promise<void> {
    await Promise.all([this.#single(), this.#single(), this.#batch()]);
    await this.#update();
  }

  async #single(): Promise<void> {
    const serial = this.#serial++;
    const { status } = await this.#api.write(BUCKET, entryOf(serial), makeRecord(serial));
    if (status === 200) this.written.push(serial);
  }

  async #batch(): Promise<void> {
    const entry = entryOf(this.#serial);
    const serials = Array.from({ length: 10 }, (_, i) => this.#serial + i * ENTRIES.length);
    this.#serial += 10 * ENTRIES.length;
    const small = serials.filter((serial) => makeRecord(serial).payload.length < LARGE_BYTES);
    const { status } = await this.#api.writeBatch(BUCKET, entry, small.map(makeRecord));
    if (status === 200) this.written.push(...small);
  }

  /** Of the oldest that has none: the target has it already, so that it comes there as an update, too. */
  async #update(): Promise<void> {
    const serial = this.written[this.#nextUpdate++];
    if (serial === undefined || isTaken(serial)) return;
    const headers = { 'x-reduct-label-seen': 'yes' };
    const path = `/b/${BUCKET}/${entryOf(serial)}?ts=${serial}`;
    const { status } = await this.#api.call('PATCH', path, headers);
    if (status === 200) this.updated.push(serial);
  }
}

/** Records by serial. @param mayBeTaken of the target: somebody else's records are left out. */
export async function readAll(api: Api, mayBeTaken: boolean): Promise<Map<number, TestRecord>> {
  const found = new Map<number, TestRecord>();
  for (const entry of ENTRIES) {
    for (const record of await api.readAll(BUCKET, entry)) {
      const serial = Number(record.ts);
      const isOther = mayBeTaken && record.payload.equals(takenRecord(serial).payload);
      if (isOther) continue;
      expect(entryOf(serial)).toBe(entry);
      expect(found.has(serial), `${serial} twice`).toBe(false);
      const { payload, labels } = makeRecord(serial);
      if (!record.payload.equals(payload)) throw new Error(`content of ${serial} differs`);
      const { seen, ...own } = record.labels;
      expect(own).toEqual(labels);
      expect([undefined, 'yes']).toContain(seen);
      found.set(serial, record);
    }
  }
  return found;
}
