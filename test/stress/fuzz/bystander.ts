/** The client that does nothing wrong: it writes and reads, and remembers what it was promised. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer, Api, TestRecord } from '../../lib/api.ts';

const BATCH_RECORDS = 20;
/** Between rounds: most of the processor is left to the attack. */
const PACE_MS = 10;

/** A record that says itself what it must contain. */
export function bystanderRecord(ts: bigint): TestRecord {
  const size = 32 + Number(ts % 900n);
  return { ts, payload: Buffer.alloc(size, `record ${ts};`), labels: { serial: String(ts) } };
}

export class Bystander {
  readonly acknowledged = new Set<bigint>();
  readonly #api: Api;
  readonly #bucket: string;
  readonly #entry: string;
  #serial = 0n;
  longestMs = 0;

  constructor(api: Api, bucket: string, entry: string) {
    this.#api = api;
    this.#bucket = bucket;
    this.#entry = entry;
  }

  /** @throws Error when a request is not answered 200, or a record read is not the one written. */
  async run(untilMs: number): Promise<void> {
    while (Date.now() < untilMs) {
      await this.#writeSingle();
      await this.#writeBatch();
      await this.#readBack();
      await delay(PACE_MS);
    }
  }

  async #timed(what: string, request: () => Promise<Answer>): Promise<Answer> {
    const startMs = performance.now();
    const answer = await request();
    this.longestMs = Math.max(this.longestMs, performance.now() - startMs);
    if (answer.status !== 200) throw new Error(`${what}: ${answer.status} ${answer.error}`);
    return answer;
  }

  #next(): TestRecord {
    this.#serial++;
    return bystanderRecord(this.#serial);
  }

  async #writeSingle(): Promise<void> {
    const record = this.#next();
    await this.#timed('write', () => this.#api.write(this.#bucket, this.#entry, record));
    this.acknowledged.add(record.ts);
  }

  async #writeBatch(): Promise<void> {
    const records = Array.from({ length: BATCH_RECORDS }, () => this.#next());
    const answer = await this.#timed('batch write', () =>
      this.#api.writeBatch(this.#bucket, this.#entry, records),
    );
    const failed = Object.keys(answer.headers).filter((name) => name.startsWith('x-reduct-error'));
    if (failed.length > 0) throw new Error(`a batch write failed: ${failed.join(', ')}`);
    for (const { ts } of records) this.acknowledged.add(ts);
  }

  async #readBack(): Promise<void> {
    const { ts, payload } = bystanderRecord(this.#serial - 5n);
    const path = `/b/${this.#bucket}/${this.#entry}?ts=${ts}`;
    const answer = await this.#timed('read', () => this.#api.call('GET', path));
    if (!answer.body.equals(payload)) throw new Error(`record ${ts} has another content`);
  }
}
