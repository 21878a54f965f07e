import type { Labels, StoredRecord } from './plan.ts';

/** Counts of one comparison. It holds when all but `equal` are 0. */
export interface Tally {
  /** What is compared with what, for the examples. */
  readonly subject: string;
  equal: number;
  /** Expected, not there. */
  missing: number;
  /** There, not expected; a second record of one timestamp is one too. */
  unexpected: number;
  /** There with another payload, label or content type. */
  different: number;
  /** The first few findings in words. */
  readonly examples: string[];
}

const MAX_EXAMPLES = 5;

type Records = Iterable<StoredRecord> | AsyncIterable<StoredRecord>;

export function newTally(subject: string): Tally {
  return { subject, equal: 0, missing: 0, unexpected: 0, different: 0, examples: [] };
}

export function holds(tally: Tally): boolean {
  return tally.missing === 0 && tally.unexpected === 0 && tally.different === 0;
}

/**
 * Walks two streams in ascending time side by side, counts into `tally`, and hands on every record of `actual`, so that
 * comparisons chain. Holds one record of each stream, whatever their length. Both are closed at the end, also when the
 * consumer stops early.
 */
export async function* comparing(
  expected: Records,
  actual: Records,
  tally: Tally,
): AsyncGenerator<StoredRecord> {
  const wanted = iteratorOf(expected);
  try {
    let want = await nextOf(wanted);
    for await (const found of actual) {
      while (want !== undefined && want.timestampUs < found.timestampUs) {
        count(tally, 'missing', want);
        want = await nextOf(wanted);
      }
      if (want?.timestampUs === found.timestampUs) {
        countPair(tally, want, found);
        want = await nextOf(wanted);
      } else {
        count(tally, 'unexpected', found);
      }
      yield found;
    }
    for (; want !== undefined; want = await nextOf(wanted)) count(tally, 'missing', want);
  } finally {
    await wanted.return?.();
  }
}

/** Only the records whose labels pass. */
export async function* filtered(
  records: AsyncIterable<StoredRecord>,
  passes: (labels: Labels) => boolean,
): AsyncGenerator<StoredRecord> {
  for await (const record of records) {
    if (passes(record.labels)) yield record;
  }
}

/** Runs a stream to its end. */
export async function drain(records: AsyncIterable<StoredRecord>): Promise<void> {
  const iterator = records[Symbol.asyncIterator]();
  let step = await iterator.next();
  while (step.done !== true) step = await iterator.next();
}

/** What differs between two records of one timestamp, or `undefined`. */
export function differenceOf(want: StoredRecord, found: StoredRecord): string | undefined {
  if (!want.payload.equals(found.payload)) {
    return `payload of ${found.payload.length} bytes instead of ${want.payload.length} bytes or other content`;
  }
  if (want.contentType !== found.contentType) {
    return `content type '${found.contentType}' instead of '${want.contentType}'`;
  }
  if (!sameLabels(want.labels, found.labels)) {
    return `labels ${JSON.stringify(found.labels)} instead of ${JSON.stringify(want.labels)}`;
  }
  return undefined;
}

function sameLabels(a: Labels, b: Labels): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

function countPair(tally: Tally, want: StoredRecord, found: StoredRecord): void {
  const difference = differenceOf(want, found);
  if (difference === undefined) tally.equal++;
  else count(tally, 'different', found, difference);
}

function count(
  tally: Tally,
  finding: 'missing' | 'unexpected' | 'different',
  record: StoredRecord,
  detail?: string,
): void {
  tally[finding]++;
  if (tally.examples.length >= MAX_EXAMPLES) return;
  const suffix = detail === undefined ? '' : `: ${detail}`;
  tally.examples.push(`${tally.subject}: ${finding} at ${record.timestampUs}${suffix}`);
}

type RecordIterator = Iterator<StoredRecord> | AsyncIterator<StoredRecord>;

function iteratorOf(records: Records): RecordIterator {
  return Symbol.asyncIterator in records
    ? records[Symbol.asyncIterator]()
    : records[Symbol.iterator]();
}

async function nextOf(iterator: RecordIterator): Promise<StoredRecord | undefined> {
  const result = await iterator.next();
  return result.done === true ? undefined : result.value;
}
