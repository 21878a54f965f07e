/** A record as filters and conditions see it. */
import type { BlockView } from '../../store/block.ts';
import type { RecordMeta } from '../../store/record-meta.ts';
import { labelValue } from '../../store/labels.ts';
import type { RecordView } from '../../when/frame.ts';

/** A record with its block at hand. */
export interface LocatedRecord {
  readonly ts: bigint;
  readonly block: BlockView;
  readonly index: number;
}

/**
 * A reference: it holds content type and labels, shared with its neighbours, but neither the content nor its block,
 * because a condition may keep any number of them as context.
 */
export class ScannedRecord implements RecordView {
  /** µs since the Unix epoch. */
  readonly timestamp: bigint;
  readonly sequence: number;
  readonly index: number;
  readonly meta: RecordMeta;

  static of({ ts, block, index }: LocatedRecord): ScannedRecord {
    return new ScannedRecord(ts, block.sequence, index, block.metaOf(index));
  }

  constructor(timestamp: bigint, sequence: number, index: number, meta: RecordMeta) {
    this.timestamp = timestamp;
    this.sequence = sequence;
    this.index = index;
    this.meta = meta;
  }

  label(name: string): string | undefined {
    return labelValue(this.meta.labels, name);
  }

  hasLabel(name: string): boolean {
    return labelValue(this.meta.labels, name) !== undefined;
  }
}

const NO_META: RecordMeta = { contentType: '', labels: [] };

/** Sequence of a record that was accepted in an earlier job: it is looked up by its timestamp when it is delivered. */
export const UNLOCATED = -1;

export function unlocatedRecord(timestamp: bigint): ScannedRecord {
  return new ScannedRecord(timestamp, UNLOCATED, 0, NO_META);
}
