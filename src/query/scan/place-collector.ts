/** Finds matching records without their content. */
import type { RecordPlaces } from '../job.ts';
import type { EntrySource } from './entry-source.ts';

export interface CollectedPlaces {
  readonly places: RecordPlaces & {
    readonly timestamps: BigUint64Array<ArrayBuffer>;
    readonly sequences: Float64Array<ArrayBuffer>;
  };
  /** Whether all sources are done; false when there are enough records or the budget is spent. */
  readonly isDrained: boolean;
}

/** Goes through one source after the other. */
export function collectPlaces(
  sources: readonly EntrySource[],
  maxRecords: number,
): CollectedPlaces {
  const timestamps: bigint[] = [];
  const sequences: number[] = [];
  const finish = (isDrained: boolean): CollectedPlaces => ({
    places: {
      timestamps: BigUint64Array.from(timestamps),
      sequences: Float64Array.from(sequences),
    },
    isDrained,
  });
  for (const source of sources) {
    for (;;) {
      source.step(undefined);
      const { head } = source;
      if (head === undefined && !source.isDone) return finish(false);
      if (head === undefined) break;
      timestamps.push(head.ts);
      sequences.push(head.block.sequence);
      source.shift();
      if (timestamps.length >= maxRecords) return finish(false);
    }
  }
  return finish(true);
}
