/** A bucket of a server as the source of a copy. */
import type { BucketSettings, EntryFigures } from '../client/instance-client.ts';
import type { TimeRange } from '../client/query-body.ts';
import type { RecordHead } from '../client/record-heads.ts';
import { MAX_BATCH_RECORDS } from '../replication/scan/batch.ts';
import { Attempts, isFirstContact } from './attempts.ts';
import { BucketReader } from './bucket-reader.ts';
import type { BudgetLease } from './byte-budget.ts';
import { type FilterPlan, planFilter } from './filter-plan.ts';
import { bytesOf, LARGE_RECORD_BYTES, narrowPage } from './pages.ts';
import { Selection } from './selection.ts';
import type {
  BucketContext,
  CopyFilter,
  CopySource,
  EntryReader,
  ListedHead,
  Page,
  ReaderOptions,
} from './types.ts';

/** Places of a list that may lie between two wanted records for them to be read in one go. */
const MAX_GAP_PLACES = 16;

/** Fewer wanted records than this are asked for one by one. */
const MIN_RUN_RECORDS = 4;

/** Single records asked for at the same time. */
const SINGLE_READS = 8;

export class BucketSource implements CopySource {
  readonly #context: BucketContext;

  constructor(context: BucketContext) {
    this.#context = context;
  }

  async settings(): Promise<BucketSettings> {
    return (await this.#info()).settings;
  }

  async entries(): Promise<readonly EntryFigures[]> {
    return (await this.#info()).entries.filter(({ recordCount }) => recordCount > 0);
  }

  reader(entry: string, filter: CopyFilter, { lease, onFailed }: ReaderOptions): EntryReader {
    const plan = planFilter(filter, this.#context.client.apiVersion);
    const reader = new BucketReader(this.#context, entry, lease, onFailed);
    return new BucketEntryReader(reader, plan, lease);
  }

  async #info(): ReturnType<BucketContext['client']['bucketInfo']> {
    const { client, bucket, retry, signal, side } = this.#context;
    const attempts = new Attempts(retry, signal);
    for (;;) {
      try {
        return await client.bucketInfo(bucket);
      } catch (error) {
        if (isFirstContact(client, error)) throw error;
        await attempts.failed(error, side);
      }
    }
  }
}

/** Neighbours that are read by one query, or too few for that. */
interface Run {
  readonly heads: RecordHead[];
  lastPlace: number;
}

class BucketEntryReader implements EntryReader {
  readonly mustList: boolean;
  readonly isStateful: boolean;
  readonly isComputed: boolean;
  readonly #reader: BucketReader;
  readonly #plan: FilterPlan;
  readonly #lease: BudgetLease;
  readonly #selection: Selection;

  constructor(reader: BucketReader, plan: FilterPlan, lease: BudgetLease) {
    this.#reader = reader;
    this.#plan = plan;
    this.#lease = lease;
    this.#selection = new Selection(plan.client);
    this.mustList = plan.mustList;
    this.isStateful = plan.isStateful;
    this.isComputed = plan.query.extText !== undefined;
  }

  async *list(range: TimeRange): AsyncGenerator<readonly RecordHead[]> {
    if (this.#selection.isFull) return;
    for await (const heads of this.#reader.list(range, this.#plan.query, this.isStateful)) {
      yield this.#selection.select(heads);
      if (this.#selection.isFull) return;
    }
  }

  async *stream(range: TimeRange): AsyncGenerator<Page> {
    if (this.#selection.isFull) return;
    for await (const page of this.#reader.stream(range, this.#plan.query, this.isStateful)) {
      const narrow = this.#narrow(page, this.#selection.select(page.heads));
      if (narrow !== null) yield narrow;
      if (this.#selection.isFull) return;
    }
  }

  async *fetch(wanted: readonly ListedHead[]): AsyncGenerator<Page> {
    // What a condition with a memory leaves out between two records cannot be told without asking it again.
    const gap = this.isStateful ? 0 : MAX_GAP_PLACES;
    for (const { heads } of toRuns(wanted, gap)) {
      if (this.isStateful || heads.length < MIN_RUN_RECORDS || hasLarge(heads)) {
        yield* this.#fetchSingles(heads);
      } else {
        yield* this.#fetchRun(heads);
      }
    }
  }

  async *#fetchRun(heads: readonly RecordHead[]): AsyncGenerator<Page> {
    const first = heads[0];
    const last = heads.at(-1);
    if (first === undefined || last === undefined) return;
    const wanted = new Set(heads.map(({ ts }) => ts));
    const range = { startUs: first.ts, stopUs: last.ts + 1n };
    for await (const page of this.#reader.stream(range, this.#plan.query)) {
      const kept = page.heads.filter(({ ts }) => wanted.has(ts));
      const narrow = this.#narrow(page, kept);
      if (narrow !== null) yield narrow;
    }
  }

  /** Small records asked for together become one page. */
  async *#fetchSingles(heads: readonly RecordHead[]): AsyncGenerator<Page> {
    for (const group of groupSingles(heads)) {
      const pages: Page[] = [];
      for (let at = 0; at < group.length; at += SINGLE_READS) {
        const asked = group.slice(at, at + SINGLE_READS).map((head) => this.#reader.readOne(head));
        for (const outcome of await Promise.all(asked)) {
          const page = this.#reader.report(outcome);
          if (page !== null) pages.push(page);
        }
      }
      const joined = joinPages(pages);
      if (joined !== null) yield joined;
    }
  }

  #narrow(page: Page, kept: readonly RecordHead[]): Page | null {
    const narrow = narrowPage(page, kept);
    if (narrow === null) this.#lease.release(page.heldBytes);
    return narrow;
  }
}

function toRuns(wanted: readonly ListedHead[], maxGapPlaces: number): Run[] {
  const runs: Run[] = [];
  for (const { head, place } of wanted) {
    const run = runs.at(-1);
    if (run !== undefined && place - run.lastPlace <= maxGapPlaces) {
      run.heads.push(head);
      run.lastPlace = place;
    } else {
      runs.push({ heads: [head], lastPlace: place });
    }
  }
  return runs;
}

function hasLarge(heads: readonly RecordHead[]): boolean {
  return bytesOf(heads) > heads.length * LARGE_RECORD_BYTES;
}

/** A large record alone; small ones up to what one request may hold at once in memory. */
function groupSingles(heads: readonly RecordHead[]): RecordHead[][] {
  const groups: RecordHead[][] = [];
  let bytes = 0;
  for (const head of heads) {
    const isLarge = head.lengthBytes > LARGE_RECORD_BYTES;
    const group = groups.at(-1);
    const fits =
      !isLarge &&
      bytes + head.lengthBytes <= LARGE_RECORD_BYTES &&
      (group?.length ?? 0) < MAX_BATCH_RECORDS;
    if (group !== undefined && fits) {
      group.push(head);
      bytes += head.lengthBytes;
    } else {
      groups.push([head]);
      bytes = isLarge ? Number.POSITIVE_INFINITY : head.lengthBytes;
    }
  }
  return groups;
}

function joinPages(pages: readonly Page[]): Page | null {
  const [first] = pages;
  if (first === undefined || pages.length === 1) return first ?? null;
  const parts = pages.map(({ content }) => content).filter((content) => Buffer.isBuffer(content));
  return {
    heads: pages.flatMap(({ heads }) => heads),
    content: Buffer.concat(parts),
    heldBytes: pages.reduce((sum, { heldBytes }) => sum + heldBytes, 0),
  };
}
