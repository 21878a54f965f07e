/** Reading the `index` column family: the runs of one entry in order of time. Works in any thread. */
import type { Run } from '../catalog/model.ts';
import { BlockView } from './block.ts';
import { COLUMN_BLOCKS, COLUMN_INDEX, INDEX_VALUE_BYTES, RUN_LARGE, RUN_WHOLE } from './format.ts';
import { blockKey, firstTsOfIndexKey, indexEnd, indexKey } from './keys.ts';
import type { RangeIterator, RocksReader } from './rocks.ts';

/** Value of an index row. */
export function encodeRun(run: Run): Buffer {
  const value = Buffer.allocUnsafe(INDEX_VALUE_BYTES);
  value.writeBigUInt64BE(run.lastTs, 0);
  value.writeUIntBE(run.sequence, 8, 6);
  value.writeUInt32BE(run.startIndex, 14);
  value.writeUInt32BE(run.count, 18);
  value[22] = (run.large ? RUN_LARGE : 0) | (run.whole ? RUN_WHOLE : 0);
  value.writeUIntBE(run.sizeBytes, 23, 6);
  return value;
}

export function decodeRun(key: Buffer, value: Buffer): Run {
  return {
    firstTs: firstTsOfIndexKey(key),
    lastTs: value.readBigUInt64BE(0),
    sequence: value.readUIntBE(8, 6),
    startIndex: value.readUInt32BE(14),
    count: value.readUInt32BE(18),
    large: ((value[22] ?? 0) & RUN_LARGE) !== 0,
    whole: ((value[22] ?? 0) & RUN_WHOLE) !== 0,
    sizeBytes: value.readUIntBE(23, 6),
  };
}

/** The run that contains `ts`, or else the last run before it; undefined when all runs are later. */
export function runAtOrBefore(reader: RocksReader, entryId: number, ts: bigint): Run | undefined {
  return runsUpTo(reader, entryId, ts, 1)[0];
}

/**
 * At most `maxRuns` runs with `floorTs` ≤ firstTs ≤ `ts`, descending.
 * @param floorTs where there is none before: rows that were removed there are not stepped over.
 */
export function runsUpTo(
  reader: RocksReader,
  entryId: number,
  ts: bigint,
  maxRuns: number,
  floorTs: bigint = 0n,
): Run[] {
  const iterator = reader.iterate(COLUMN_INDEX, {
    gte: indexKey(entryId, floorTs),
    lte: indexKey(entryId, ts),
    reverse: true,
    limit: maxRuns,
  });
  return readRuns(iterator, maxRuns);
}

/** At most `maxRuns` runs with firstTs ≥ `fromTs`, ascending. */
export function runsFrom(
  reader: RocksReader,
  entryId: number,
  fromTs: bigint,
  maxRuns: number,
): Run[] {
  const iterator = reader.iterate(COLUMN_INDEX, {
    gte: indexKey(entryId, fromTs),
    lt: indexEnd(entryId),
    limit: maxRuns,
  });
  return readRuns(iterator, maxRuns);
}

function readRuns(iterator: RangeIterator, maxRuns: number): Run[] {
  try {
    const { rows } = iterator.next(maxRuns);
    const runs: Run[] = [];
    for (let i = 0; i + 1 < rows.length; i += 2) {
      const key = rows[i];
      const value = rows[i + 1];
      if (key !== undefined && value !== undefined) runs.push(decodeRun(key, value));
    }
    return runs;
  } finally {
    iterator.close();
  }
}

/** The block with this sequence number, or undefined when it was removed. */
export function readBlock(reader: RocksReader, sequence: number): BlockView | undefined {
  const bytes = reader.get(COLUMN_BLOCKS, blockKey(sequence));
  return bytes === undefined ? undefined : new BlockView(bytes);
}
