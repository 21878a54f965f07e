/**
 * What a commit group does to one entry, as a pure function: no clock, no randomness, no I/O but the look-ups of the
 * given view. The same function can replay a log.
 */
import type { EntryStats, Extent, Run } from '../catalog/model.ts';
import { BLOCK_MAX_RECORDS, BLOCK_PAYLOAD_TARGET_BYTES } from '../store/format.ts';
import { SizeAccount } from './size-account.ts';

/** One record that wants to be written, in order of arrival. */
export interface Candidate {
  readonly ts: bigint;
  readonly length: number;
  /** `metaWireBytes` of its content type and labels. */
  readonly metaWireBytes: number;
  /** Content in chunks: gets a block of its own. */
  readonly large: boolean;
}

/** The entry as it was before this group. Look-ups may read the store; they see nothing of this group. */
export interface EntryView {
  readonly stats: EntryStats;
  /** The run that contains `ts`, or else the last one before it. */
  runAtOrBefore(ts: bigint): Run | undefined;
  /** `firstTs` of the next run that begins after `ts`. */
  nextRunStart(ts: bigint): bigint | undefined;
  /** Timestamps of a run, ascending. */
  timestamps(run: Run): BigUint64Array;
  /** The extent with the greatest start ≤ ts, among all but the newest. */
  extentAtOrBefore(ts: bigint): Extent | undefined;
}

export interface ExtentLimits {
  readonly maxBytes: number;
  readonly maxRecords: number;
}

/** A block to be written, ascending in time. */
export interface PlannedBlock<C extends Candidate> {
  readonly records: readonly C[];
}

export interface PlannedRun {
  readonly run: Run;
  readonly times: BigUint64Array;
}

export interface Plan<C extends Candidate> {
  /** Candidates refused because their timestamp exists; undefined when there are none, the usual case. */
  readonly refused: ReadonlySet<C> | undefined;
  readonly acceptedCount: number;
  /** All accepted ones are later than all records the entry had. */
  readonly isAppend: boolean;
  readonly blocks: readonly PlannedBlock<C>[];
  /** Index rows to put, including the halves of runs that had to be split. */
  readonly runs: readonly PlannedRun[];
  /** Extents other than the newest whose figures changed or that ceased to be the newest. */
  readonly extents: readonly Extent[];
  readonly stats: EntryStats;
}

/**
 * Decides which candidates are new, where they go and what the entry's figures are afterwards.
 * @param candidates in order of arrival.
 * @param firstSequence sequence of the first planned block; the following ones count up.
 */
export function apply<C extends Candidate>(
  view: EntryView,
  candidates: readonly C[],
  firstSequence: number,
  limits: ExtentLimits,
): Plan<C> {
  const isAppend = isAscendingBehind(view.stats, candidates);
  const sorted = isAppend ? candidates : acceptNew(view, candidates);
  const refused = sorted.length === candidates.length ? undefined : missingFrom(candidates, sorted);
  const blocks = cutBlocks(sorted);
  const account = new SizeAccount(view, limits);
  const sizes = new Map<Candidate, number>();
  let totalBytes = 0;
  for (const candidate of candidates) {
    if (refused?.has(candidate) === true) continue;
    const sizeBytes = account.add(candidate);
    totalBytes += sizeBytes;
    if (!isAppend || blocks.length > 1) sizes.set(candidate, sizeBytes);
  }
  const [only] = blocks;
  const runs =
    isAppend && only !== undefined && blocks.length === 1
      ? [appendedRun(only, firstSequence, totalBytes)]
      : planRuns(view, sizes, blocks, firstSequence);
  return {
    refused,
    acceptedCount: sorted.length,
    isAppend: isAppend || isBehind(view.stats, sorted[0]),
    blocks,
    runs,
    extents: account.changedExtents(),
    stats: account.stats(sorted),
  };
}

/** @param first the earliest one. */
function isBehind({ recordCount, latestTs }: EntryStats, first: Candidate | undefined): boolean {
  return first === undefined || recordCount === 0 || first.ts > latestTs;
}

/** The usual case: every record is later than all before it, so nothing has to be looked up. */
function isAscendingBehind(stats: EntryStats, candidates: readonly Candidate[]): boolean {
  let highest = stats.recordCount === 0 ? -1n : stats.latestTs;
  for (const { ts } of candidates) {
    if (ts <= highest) return false;
    highest = ts;
  }
  return true;
}

/** Candidates whose timestamp is free, ascending; of equal ones in the group the first to arrive. */
function acceptNew<C extends Candidate>(view: EntryView, candidates: readonly C[]): C[] {
  const { recordCount, latestTs } = view.stats;
  const highest = recordCount === 0 ? -1n : latestTs;
  // The sort is stable, so among equal timestamps the order of arrival remains.
  const sorted = [...candidates].sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));
  let previous = -1n;
  return sorted.filter(({ ts }) => {
    if (ts === previous || (ts <= highest && isTaken(view, ts))) return false;
    previous = ts;
    return true;
  });
}

function missingFrom<C extends Candidate>(
  candidates: readonly C[],
  accepted: readonly C[],
): ReadonlySet<C> {
  const missing = new Set(candidates);
  for (const candidate of accepted) missing.delete(candidate);
  return missing;
}

function appendedRun(
  { records }: PlannedBlock<Candidate>,
  sequence: number,
  sizeBytes: number,
): PlannedRun {
  const times = timesOf(records);
  const large = records[0]?.large ?? false;
  const run: Run = {
    firstTs: times[0] ?? 0n,
    lastTs: times[times.length - 1] ?? 0n,
    sequence,
    startIndex: 0,
    count: times.length,
    large,
    whole: true,
    sizeBytes,
  };
  return { run, times };
}

function timesOf(records: readonly Candidate[]): BigUint64Array {
  const times = new BigUint64Array(records.length);
  for (let i = 0; i < records.length; i++) times[i] = records[i]?.ts ?? 0n;
  return times;
}

function isTaken(view: EntryView, ts: bigint): boolean {
  const run = view.runAtOrBefore(ts);
  if (run === undefined || run.lastTs < ts) return false;
  const times = view.timestamps(run);
  return times[lowerBound(times, ts)] === ts;
}

/** Smallest index whose value is ≥ ts. */
export function lowerBound(times: BigUint64Array, ts: bigint): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] ?? 0n) < ts) low = middle + 1;
    else high = middle;
  }
  return low;
}

function cutBlocks<C extends Candidate>(sorted: readonly C[]): PlannedBlock<C>[] {
  const blocks: PlannedBlock<C>[] = [];
  let start = 0;
  let bytes = 0;
  const seal = (end: number): void => {
    if (end === start) return;
    const isAll = start === 0 && end === sorted.length;
    blocks.push({ records: isAll ? sorted : sorted.slice(start, end) });
    start = end;
    bytes = 0;
  };
  for (let i = 0; i < sorted.length; i++) {
    const candidate = sorted[i];
    if (candidate === undefined) continue;
    if (candidate.large) {
      seal(i);
      seal(i + 1);
      continue;
    }
    const isFull =
      i - start >= BLOCK_MAX_RECORDS || bytes + candidate.length > BLOCK_PAYLOAD_TARGET_BYTES;
    if (isFull) seal(i);
    bytes += candidate.length;
  }
  seal(sorted.length);
  return blocks;
}

/** Cuts blocks into runs so that no two runs of the entry overlap, splitting older runs where a late record falls in. */
function planRuns(
  view: EntryView,
  sizes: ReadonlyMap<Candidate, number>,
  blocks: readonly PlannedBlock<Candidate>[],
  firstSequence: number,
): PlannedRun[] {
  const planned = new RunOverlay(view);
  for (const [at, { records }] of blocks.entries()) {
    const sequence = firstSequence + at;
    const times = timesOf(records);
    const large = records[0]?.large ?? false;
    let start = 0;
    while (start < times.length) {
      const gapEnd = planned.openGapAt(times[start] ?? 0n);
      let end = start + 1;
      while (end < times.length && (gapEnd === undefined || (times[end] ?? 0n) < gapEnd)) end++;
      const whole = start === 0 && end === times.length;
      let sizeBytes = 0;
      for (const record of records.slice(start, end)) sizeBytes += sizes.get(record) ?? 0;
      const place = { sequence, startIndex: start, large, whole, sizeBytes };
      planned.put(place, times.subarray(start, end));
      start = end;
    }
  }
  return planned.runs();
}

/** Runs changed by this group, laid over the view. */
class RunOverlay {
  readonly #view: EntryView;
  /** By `firstTs`; a later put of the same start replaces the earlier one. */
  readonly #changed = new Map<bigint, PlannedRun>();

  constructor(view: EntryView) {
    this.#view = view;
  }

  runs(): PlannedRun[] {
    return [...this.#changed.values()];
  }

  put(place: Omit<Run, 'firstTs' | 'lastTs' | 'count'>, times: BigUint64Array): void {
    const firstTs = times[0] ?? 0n;
    const lastTs = times[times.length - 1] ?? firstTs;
    this.#changed.set(firstTs, { run: { ...place, firstTs, lastTs, count: times.length }, times });
  }

  /**
   * Makes room at `ts` (which is free) by splitting the run around it, if there is one.
   * @returns where the next run begins: records before that belong to the same gap; undefined when nothing follows.
   */
  openGapAt(ts: bigint): bigint | undefined {
    const { stats } = this.#view;
    const isBehindAll = stats.recordCount === 0 || ts > stats.latestTs;
    const around = this.#atOrBefore(ts, isBehindAll);
    if (around !== undefined && around.run.lastTs > ts) {
      const { run } = around;
      const times = around.times ?? this.#view.timestamps(run);
      const cut = lowerBound(times, ts);
      const { sequence, startIndex, large } = run;
      const half = { sequence, large, whole: false };
      const leftBytes = Math.floor((run.sizeBytes * cut) / run.count);
      this.put({ ...half, startIndex, sizeBytes: leftBytes }, times.subarray(0, cut));
      const rightBytes = run.sizeBytes - leftBytes;
      const rightStart = startIndex + cut;
      this.put({ ...half, startIndex: rightStart, sizeBytes: rightBytes }, times.subarray(cut));
      return times[cut];
    }
    return this.#nextStart(ts, isBehindAll);
  }

  #atOrBefore(
    ts: bigint,
    isBehindAll: boolean,
  ): { run: Run; times: BigUint64Array | undefined } | undefined {
    // Records of this group are placed in ascending order, so behind all older ones nothing can surround `ts`.
    if (isBehindAll) return undefined;
    const older = this.#view.runAtOrBefore(ts);
    let best: PlannedRun | undefined;
    for (const planned of this.#changed.values()) {
      const start = planned.run.firstTs;
      if (start <= ts && (best === undefined || start > best.run.firstTs)) best = planned;
    }
    if (best !== undefined && (older === undefined || best.run.firstTs >= older.firstTs))
      return best;
    return older === undefined ? undefined : { run: older, times: undefined };
  }

  #nextStart(ts: bigint, isBehindAll: boolean): bigint | undefined {
    if (isBehindAll) return undefined;
    let next = this.#view.nextRunStart(ts);
    for (const planned of this.#changed.values()) {
      const start = planned.run.firstTs;
      if (start > ts && (next === undefined || start < next)) next = start;
    }
    return next;
  }
}
