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

/** A block to be written; `records` are indexes into the candidates, ascending in time. */
export interface PlannedBlock {
  readonly records: readonly number[];
}

export interface PlannedRun {
  readonly run: Run;
  readonly times: BigUint64Array;
}

export interface Plan {
  /** Per candidate: 1 accepted, 0 refused because the timestamp exists. */
  readonly accepted: Uint8Array;
  readonly acceptedCount: number;
  readonly blocks: readonly PlannedBlock[];
  /** Index rows to put, including the halves of runs that had to be split. */
  readonly runs: readonly PlannedRun[];
  /** Extents other than the newest whose figures changed or that ceased to be the newest. */
  readonly extents: readonly Extent[];
  readonly stats: EntryStats;
}

/**
 * Decides which candidates are new, where they go and what the entry's figures are afterwards.
 * @param firstSequence sequence of the first planned block; the following ones count up.
 */
export function apply(
  view: EntryView,
  candidates: readonly Candidate[],
  firstSequence: number,
  limits: ExtentLimits,
): Plan {
  const accepted = new Uint8Array(candidates.length);
  const order = acceptNew(view, candidates, accepted);
  const blocks = cutBlocks(candidates, order);
  const account = new SizeAccount(view, limits);
  const sizes = new Float64Array(candidates.length);
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i];
    if (accepted[i] === 1 && candidate !== undefined) sizes[i] = account.add(candidate);
  }
  const runs = planRuns(view, candidates, sizes, blocks, firstSequence);
  return {
    accepted,
    acceptedCount: order.length,
    blocks,
    runs,
    extents: account.changedExtents(),
    stats: account.stats(candidates, order),
  };
}

/** Marks candidates whose timestamp is free and returns them in ascending order of time. */
function acceptNew(
  view: EntryView,
  candidates: readonly Candidate[],
  accepted: Uint8Array,
): number[] {
  const order: number[] = [];
  const isEmpty = view.stats.recordCount === 0;
  const latest = view.stats.latestTs;
  let highest = isEmpty ? -1n : latest;
  let seen: Set<bigint> | undefined;
  let sorted = true;
  let lastTs = -1n;
  for (let i = 0; i < candidates.length; i++) {
    const ts = candidates[i]?.ts ?? 0n;
    if (ts > highest) {
      highest = ts; // Above everything known: free without a look-up.
    } else {
      seen ??= new Set(order.map((at) => candidates[at]?.ts ?? 0n));
      if (seen.has(ts) || (!isEmpty && ts <= latest && isTaken(view, ts))) continue;
    }
    accepted[i] = 1;
    seen?.add(ts);
    if (ts < lastTs) sorted = false;
    lastTs = ts;
    order.push(i);
  }
  if (!sorted) order.sort((a, b) => compareTs(candidates[a], candidates[b]));
  return order;
}

function compareTs(a: Candidate | undefined, b: Candidate | undefined): number {
  const left = a?.ts ?? 0n;
  const right = b?.ts ?? 0n;
  return left < right ? -1 : left > right ? 1 : 0;
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

function cutBlocks(candidates: readonly Candidate[], order: readonly number[]): PlannedBlock[] {
  const blocks: PlannedBlock[] = [];
  let records: number[] = [];
  let bytes = 0;
  const seal = (): void => {
    if (records.length > 0) blocks.push({ records });
    records = [];
    bytes = 0;
  };
  for (const index of order) {
    const candidate = candidates[index];
    if (candidate === undefined) continue;
    if (candidate.large) {
      seal();
      blocks.push({ records: [index] });
      continue;
    }
    const isFull =
      records.length >= BLOCK_MAX_RECORDS || bytes + candidate.length > BLOCK_PAYLOAD_TARGET_BYTES;
    if (isFull) seal();
    records.push(index);
    bytes += candidate.length;
  }
  seal();
  return blocks;
}

/** Cuts blocks into runs so that no two runs of the entry overlap, splitting older runs where a late record falls in. */
function planRuns(
  view: EntryView,
  candidates: readonly Candidate[],
  sizes: Float64Array,
  blocks: readonly PlannedBlock[],
  firstSequence: number,
): PlannedRun[] {
  const planned = new RunOverlay(view);
  for (const [at, block] of blocks.entries()) {
    const sequence = firstSequence + at;
    const times = BigUint64Array.from(block.records, (index) => candidates[index]?.ts ?? 0n);
    const large = candidates[block.records[0] ?? 0]?.large ?? false;
    let start = 0;
    while (start < times.length) {
      const gapEnd = planned.openGapAt(times[start] ?? 0n);
      let end = start + 1;
      while (end < times.length && (gapEnd === undefined || (times[end] ?? 0n) < gapEnd)) end++;
      const whole = start === 0 && end === times.length;
      let sizeBytes = 0;
      for (let i = start; i < end; i++) sizeBytes += sizes[block.records[i] ?? -1] ?? 0;
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
