/** Gives up the oldest of what passes the filters: the task has more pending than it may have (`RS_REPLICATION_LOG_SIZE`). */
import type { BlockView } from '../../store/block.ts';
import type { RecordSink } from './task-filter.ts';

export class OverflowSink implements RecordSink {
  readonly #inner: RecordSink;
  readonly #maxRecords: number;
  droppedRecords = 0;

  /** @param inner takes everything behind the first `maxRecords` records. */
  constructor(inner: RecordSink, maxRecords: number) {
    this.#inner = inner;
    this.#maxRecords = maxRecords;
  }

  append(view: BlockView, from: number, to: number): void {
    let at = from;
    for (; at < to && this.droppedRecords < this.#maxRecords; at++) {
      // The row of a removed record is counted as such.
      if (view.isRemoved(at)) this.#inner.append(view, at, at + 1);
      else this.droppedRecords++;
    }
    if (at < to) this.#inner.append(view, at, to);
  }
}
