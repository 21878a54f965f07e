/** What a comparison of source and target finds. Plain data. */

/** How a record differs. `extra`: at the target, and not to be expected there. */
export const DIFFERENCE_KINDS = [
  'missing',
  'other_size',
  'other_labels',
  'other_content',
  'extra',
] as const;
export type DifferenceKind = (typeof DIFFERENCE_KINDS)[number];

export interface Difference {
  readonly entryName: string;
  readonly ts: bigint;
  readonly kind: DifferenceKind;
  readonly detail: string;
  /** What repairing made of it; `no` where nothing was tried. */
  readonly repaired: 'no' | 'yes' | 'failed';
}

/** Of one entry, or of all. */
export interface CompareCounts {
  /** Records of the source that pass the filters, and their content. */
  sourceRecords: number;
  sourceBytes: number;
  targetRecords: number;
  targetBytes: number;
  /** Records that are the same on both sides. */
  equal: number;
  /** Records of the source of which cannot be said whether they should be at the target, and are not. */
  undecided: number;
  readonly differences: Record<DifferenceKind, number>;
  repaired: number;
  repairFailed: number;
}

export function newCounts(): CompareCounts {
  return {
    sourceRecords: 0,
    sourceBytes: 0,
    targetRecords: 0,
    targetBytes: 0,
    equal: 0,
    undecided: 0,
    differences: { missing: 0, other_size: 0, other_labels: 0, other_content: 0, extra: 0 },
    repaired: 0,
    repairFailed: 0,
  };
}

export function addCounts(sum: CompareCounts, more: CompareCounts): void {
  sum.sourceRecords += more.sourceRecords;
  sum.sourceBytes += more.sourceBytes;
  sum.targetRecords += more.targetRecords;
  sum.targetBytes += more.targetBytes;
  sum.equal += more.equal;
  sum.undecided += more.undecided;
  for (const kind of DIFFERENCE_KINDS) sum.differences[kind] += more.differences[kind];
  sum.repaired += more.repaired;
  sum.repairFailed += more.repairFailed;
}
