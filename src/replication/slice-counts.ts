/** What one slice counts; plain data for the way back to the main thread. */
import type { ErrorCount, SliceCounts } from './messages.ts';
import type { ConditionErrors } from './scan/condition-filter.ts';
import type { SentBatch } from './transfer/send-result.ts';
import type { SendCounter } from './transfer/sender.ts';

/** Distinct error keys of one slice; further ones are counted under the last. */
const MAX_KEYS = 32;

export class SliceCounter implements SendCounter {
  records = 0;
  bytes = 0;
  batches = 0;
  duplicates = 0;
  removedAtSource = 0;
  looped = 0;
  plainBytes = 0;
  compressedBytes = 0;
  passedRecords = 0;
  passedBytes = 0;
  droppedRecords = 0;
  seenRecords = 0;
  seenBytes = 0;
  wireBytes = 0;
  conditionErrors: ConditionErrors | null = null;
  readonly #errors: Map<number, { count: number; message: string }> = new Map();

  countSent(sent: SentBatch): void {
    this.records += sent.records;
    this.bytes += sent.bytes;
    this.batches += sent.requests;
    this.duplicates += sent.duplicates;
    this.removedAtSource += sent.removedAtSource;
  }

  countError(key: number, message: string, records: number): void {
    const usedKey = this.#errors.size < MAX_KEYS || this.#errors.has(key) ? key : -1;
    const known = this.#errors.get(usedKey);
    this.#errors.set(usedKey, { count: (known?.count ?? 0) + records, message });
  }

  countLooped(records: number): void {
    this.looped += records;
  }

  countCompressed(plainBytes: number, wireBytes: number): void {
    this.plainBytes += plainBytes;
    this.compressedBytes += wireBytes;
  }

  toCounts(): SliceCounts {
    const { records, bytes, batches, duplicates, removedAtSource } = this;
    const errors: ErrorCount[] = [...this.#errors].map(([key, error]) => ({ key, ...error }));
    return {
      records,
      bytes,
      batches,
      duplicates,
      looped: this.looped,
      plainBytes: this.plainBytes,
      compressedBytes: this.compressedBytes,
      removedAtSource,
      errors,
      passedRecords: this.passedRecords,
      passedBytes: this.passedBytes,
      droppedRecords: this.droppedRecords,
      seenRecords: this.seenRecords,
      seenBytes: this.seenBytes,
      wireBytes: this.wireBytes,
      conditionErrors: this.conditionErrors,
    };
  }
}
