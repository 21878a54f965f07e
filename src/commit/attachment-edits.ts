/**
 * Which records of a `$meta` entry hold which key, while a session changes them. Rows in the store answer that without
 * reading records, and change in the same write as the records.
 */
import { COLUMN_META } from '../store/format.ts';
import { attachmentKey } from '../store/keys.ts';
import type { RocksReader, WriteBatch } from '../store/rocks.ts';

const TS_BYTES = 8;

export class AttachmentEdits {
  readonly #reader: RocksReader;
  readonly #entryId: number;
  /** By key: timestamps, and whether they changed. */
  readonly #lists = new Map<string, { times: bigint[]; isChanged: boolean }>();

  constructor(reader: RocksReader, entryId: number) {
    this.#reader = reader;
    this.#entryId = entryId;
  }

  /** Timestamps of the records with this key. */
  timesOf(key: string): readonly bigint[] {
    return this.#list(key).times;
  }

  /** @param key undefined: the record holds none. */
  add(key: string | undefined, ts: bigint): void {
    if (key === undefined) return;
    const list = this.#list(key);
    if (list.times.includes(ts)) return;
    list.times.push(ts);
    list.isChanged = true;
  }

  /** @param key undefined: the record holds none. */
  remove(key: string | undefined, ts: bigint): void {
    if (key === undefined) return;
    const list = this.#list(key);
    const times = list.times.filter((other) => other !== ts);
    list.isChanged ||= times.length < list.times.length;
    list.times = times;
  }

  fill(batch: WriteBatch): void {
    for (const [key, { times, isChanged }] of this.#lists) {
      if (!isChanged) continue;
      const row = attachmentKey(this.#entryId, key);
      if (times.length === 0) batch.del(COLUMN_META, row);
      else batch.put(COLUMN_META, row, encodeTimes(times));
    }
  }

  #list(key: string): { times: bigint[]; isChanged: boolean } {
    let list = this.#lists.get(key);
    if (list === undefined) {
      const stored = this.#reader.get(COLUMN_META, attachmentKey(this.#entryId, key));
      list = { times: stored === undefined ? [] : decodeTimes(stored), isChanged: false };
      this.#lists.set(key, list);
    }
    return list;
  }
}

function encodeTimes(times: readonly bigint[]): Buffer {
  const value = Buffer.allocUnsafe(times.length * TS_BYTES);
  for (const [i, ts] of times.entries()) value.writeBigUInt64BE(ts, i * TS_BYTES);
  return value;
}

function decodeTimes(value: Buffer): bigint[] {
  const times: bigint[] = [];
  for (let at = 0; at + TS_BYTES <= value.length; at += TS_BYTES) {
    times.push(value.readBigUInt64BE(at));
  }
  return times;
}
