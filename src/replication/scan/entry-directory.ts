/** Names of entries in one thread. Ids are never reused, so what is known stays true until entries are renamed. */
import type { EntryNames } from '../messages.ts';

export class EntryDirectory {
  readonly #names: Map<number, string> = new Map();
  readonly #knownUpTo: Map<number, number> = new Map();
  #epoch = 0;

  /**
   * Forgets everything that was learnt under an older number than this.
   * @returns whether there was anything to forget.
   */
  renew(epoch: number): boolean {
    if (epoch <= this.#epoch) return false;
    this.#epoch = epoch;
    this.#names.clear();
    this.#knownUpTo.clear();
    return true;
  }

  /** Takes in what the main thread sent for one bucket. */
  learn(bucketId: number, { names, knownUpTo }: EntryNames): void {
    for (const [id, name] of names) this.#names.set(id, name);
    this.#knownUpTo.set(bucketId, Math.max(knownUpTo, this.knownUpTo(bucketId)));
  }

  /** Entries of the bucket with ids up to this one are either known or removed. */
  knownUpTo(bucketId: number): number {
    return this.#knownUpTo.get(bucketId) ?? 0;
  }

  /** The name; `null` when the entry was removed; undefined when the main thread has to be asked. */
  nameOf(bucketId: number, entryId: number): string | null | undefined {
    const name = this.#names.get(entryId);
    if (name !== undefined) return name;
    return entryId <= this.knownUpTo(bucketId) ? null : undefined;
  }
}
