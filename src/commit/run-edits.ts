/** The runs of one entry while a session changes them: changes in memory, laid over the index. */
import type { Run } from '../catalog/model.ts';
import { U64_MAX } from '../store/format.ts';
import type { RocksReader } from '../store/rocks.ts';
import { runsFrom, runsUpTo } from '../store/run-index.ts';

/** Rows of the index read at once where the first one does not do. */
const PAGE_RUNS = 64;

export class RunEdits {
  readonly #reader: RocksReader;
  readonly #entryId: number;
  readonly #floorTs: bigint;
  /** By `firstTs`; null: the row is removed. */
  readonly #changes = new Map<bigint, Run | null>();

  /** @param floorTs no stored run begins before. */
  constructor(reader: RocksReader, entryId: number, floorTs: bigint) {
    this.#reader = reader;
    this.#entryId = entryId;
    this.#floorTs = floorTs;
  }

  get isChanged(): boolean {
    return this.#changes.size > 0;
  }

  changes(): Iterable<[firstTs: bigint, run: Run | null]> {
    return this.#changes;
  }

  put(run: Run): void {
    this.#changes.set(run.firstTs, run);
  }

  remove(run: Run): void {
    this.#changes.set(run.firstTs, null);
  }

  /** The run that contains `ts`, or else the last one before it. */
  atOrBefore(ts: bigint): Run | undefined {
    let best: Run | undefined;
    for (const run of this.#changes.values()) {
      if (run !== null && run.firstTs <= ts && (best === undefined || run.firstTs > best.firstTs)) {
        best = run;
      }
    }
    // Runs do not overlap: nothing that is stored can lie between.
    if (best !== undefined && best.lastTs >= ts) return best;
    const stored = this.#storedUpTo(ts);
    if (stored === undefined) return best;
    return best === undefined || stored.firstTs > best.firstTs ? stored : best;
  }

  /** The first run that begins at or after `fromTs`. */
  from(fromTs: bigint): Run | undefined {
    return this.beginningIn(fromTs, U64_MAX + 1n, 1)[0];
  }

  /** The first runs with a record in [fromTs, toTs), ascending. */
  touching(fromTs: bigint, toTs: bigint, maxRuns: number): Run[] {
    const first = this.atOrBefore(fromTs);
    const isFirstIn = first !== undefined && first.lastTs >= fromTs && first.firstTs < toTs;
    if (!isFirstIn) return this.beginningIn(fromTs, toTs, maxRuns);
    return [first, ...this.beginningIn(first.lastTs + 1n, toTs, maxRuns - 1)];
  }

  /** The first runs that begin in [fromTs, toTs), ascending. */
  beginningIn(fromTs: bigint, toTs: bigint, maxRuns: number): Run[] {
    const found = this.#storedIn(fromTs, toTs, maxRuns);
    const storedCount = found.length;
    for (const run of this.#changes.values()) {
      if (run !== null && run.firstTs >= fromTs && run.firstTs < toTs) found.push(run);
    }
    if (found.length > storedCount) found.sort((a, b) => (a.firstTs < b.firstTs ? -1 : 1));
    return found.length > maxRuns ? found.slice(0, maxRuns) : found;
  }

  /** Stored runs that did not change. */
  #storedIn(fromTs: bigint, toTs: bigint, maxRuns: number): Run[] {
    const found: Run[] = [];
    if (fromTs > U64_MAX || maxRuns <= 0) return found;
    let pageRuns = maxRuns;
    for (let next = fromTs; ; pageRuns = PAGE_RUNS) {
      const page = runsFrom(this.#reader, this.#entryId, next, pageRuns);
      for (const run of page) {
        if (run.firstTs >= toTs) return found;
        if (this.#changes.has(run.firstTs)) continue;
        found.push(run);
        if (found.length === maxRuns) return found;
      }
      const last = page.at(-1);
      if (last === undefined || page.length < pageRuns || last.firstTs === U64_MAX) return found;
      next = last.firstTs + 1n;
    }
  }

  #storedUpTo(ts: bigint): Run | undefined {
    let pageRuns = 1;
    for (let next = ts; ; pageRuns = PAGE_RUNS) {
      if (next < this.#floorTs) return undefined;
      const page = runsUpTo(this.#reader, this.#entryId, next, pageRuns, this.#floorTs);
      const found = page.find((run) => !this.#changes.has(run.firstTs));
      if (found !== undefined) return found;
      const last = page.at(-1);
      if (last === undefined || page.length < pageRuns || last.firstTs === 0n) return undefined;
      next = last.firstTs - 1n;
    }
  }
}
