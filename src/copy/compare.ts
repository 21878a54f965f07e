/** Walks the lists of both sides next to each other, one page of each in memory. */
import type { RecordHead } from '../client/record-heads.ts';
import type { ListedHead } from './types.ts';

/** What one page of the source's list is, compared with the destination. */
export interface Compared {
  /** Not there yet. */
  readonly missing: readonly ListedHead[];
  /** There, with the same size. */
  readonly present: readonly Pair[];
  /** The timestamp is taken by a record of another size. */
  readonly taken: readonly Pair[];
  /** Behind the last record of the page, µs; `null` for an empty page. */
  readonly endUs: bigint | null;
}

export interface Pair {
  readonly source: RecordHead;
  readonly sink: RecordHead;
}

type Lists = AsyncIterable<readonly RecordHead[]>;

/** Both lists ascend. Records that only the destination has do not matter. Both are closed at the end. */
export async function* compareLists(source: Lists, sink: Lists): AsyncGenerator<Compared> {
  const there = new Cursor(sink);
  let place = 0;
  try {
    for await (const heads of source) {
      const missing: ListedHead[] = [];
      const present: Pair[] = [];
      const taken: Pair[] = [];
      for (const head of heads) {
        let other = there.current;
        while (other === undefined ? !there.isAtEnd : other.ts < head.ts) {
          // Mostly the next head is in the same page, and nothing is waited for.
          if (!there.step()) await there.nextPage();
          other = there.current;
        }
        if (other === undefined || other.ts > head.ts) missing.push({ head, place });
        else if (other.lengthBytes === head.lengthBytes)
          present.push({ source: head, sink: other });
        else taken.push({ source: head, sink: other });
        place++;
      }
      const last = heads.at(-1);
      yield { missing, present, taken, endUs: last === undefined ? null : last.ts + 1n };
    }
  } finally {
    await there.close();
  }
}

class Cursor {
  readonly #pages: AsyncIterator<readonly RecordHead[]>;
  #page: readonly RecordHead[] = [];
  #at = 0;
  isAtEnd = false;

  constructor(pages: Lists) {
    this.#pages = pages[Symbol.asyncIterator]();
  }

  get current(): RecordHead | undefined {
    return this.#page[this.#at];
  }

  /** To the next head of the page; false when there is none. */
  step(): boolean {
    if (this.#at >= this.#page.length) return false;
    this.#at++;
    return this.#at < this.#page.length;
  }

  async nextPage(): Promise<void> {
    const { done, value } = await this.#pages.next();
    this.isAtEnd = done === true;
    this.#page = done === true ? [] : value;
    this.#at = 0;
  }

  async close(): Promise<void> {
    await this.#pages.return?.();
  }
}

/** In words, what differs between two records of one timestamp and size; `null` when nothing does. */
export function differenceOf({ source, sink }: Pair): string | null {
  if (source.lengthBytes !== sink.lengthBytes) {
    return `${source.lengthBytes} bytes at the source, ${sink.lengthBytes} at the destination`;
  }
  const wanted = source.meta;
  const found = sink.meta;
  // A folder without meta files knows no labels.
  if (wanted === found || !found.isExact) return null;
  if (wanted.contentType !== found.contentType) {
    return `content type '${wanted.contentType}' at the source, '${found.contentType}' at the destination`;
  }
  const label = differentLabel(pairsOf(wanted.labels), pairsOf(found.labels));
  return label === null ? null : `label '${label}' differs`;
}

function differentLabel(
  wanted: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): string | null {
  for (const [name, value] of wanted) if (found.get(name) !== value) return name;
  for (const name of found.keys()) if (!wanted.has(name)) return name;
  return null;
}

function pairsOf(labels: readonly string[]): Map<string, string> {
  const pairs = new Map<string, string>();
  for (let at = 0; at + 1 < labels.length; at += 2)
    pairs.set(labels[at] ?? '', labels[at + 1] ?? '');
  return pairs;
}
