/**
 * Batches waiting to be sent, by entry: at most one of an entry is in flight, so that the order within an entry is that of
 * the log. Pure bookkeeping.
 */

interface Lane<T> {
  readonly queue: T[];
  isBusy: boolean;
}

export class Lanes<T> {
  readonly #lanes: Map<number, Lane<T>> = new Map();
  /** Entries that are not busy and have something to send, in the order in which they came to be so. */
  readonly #ready: Set<number> = new Set();

  push(entryId: number, item: T): void {
    let lane = this.#lanes.get(entryId);
    if (lane === undefined) {
      lane = { queue: [], isBusy: false };
      this.#lanes.set(entryId, lane);
    }
    lane.queue.push(item);
    if (!lane.isBusy) this.#ready.add(entryId);
  }

  /** Next item that may be sent now; its entry is busy until `done`. */
  take(): T | undefined {
    for (const entryId of this.#ready) {
      this.#ready.delete(entryId);
      const lane = this.#lanes.get(entryId);
      const item = lane?.queue.shift();
      if (lane === undefined || item === undefined) continue;
      lane.isBusy = true;
      return item;
    }
    return undefined;
  }

  done(entryId: number): void {
    const lane = this.#lanes.get(entryId);
    if (lane === undefined) return;
    lane.isBusy = false;
    if (lane.queue.length > 0) this.#ready.add(entryId);
    else this.#lanes.delete(entryId);
  }

  /** Takes back items that were pushed last, newest first. They must not have been taken. */
  unpush(entryId: number): void {
    const lane = this.#lanes.get(entryId);
    if (lane === undefined) return;
    lane.queue.pop();
    if (lane.queue.length > 0) return;
    this.#ready.delete(entryId);
    if (!lane.isBusy) this.#lanes.delete(entryId);
  }
}
