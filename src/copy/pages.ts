/** Steps on pages of records: narrowing, reading ahead, grouping. */
import type { RecordHead } from '../client/record-heads.ts';
import { MAX_PAGE_BYTES, type Page } from './types.ts';

/** A record above this is streamed from one server to the other. */
export const LARGE_RECORD_BYTES: number = 4 * 1024 * 1024;

/** The page with these of its heads only, in their order; `null` without any. */
export function narrowPage(page: Page, kept: readonly RecordHead[]): Page | null {
  const { heads, content } = page;
  if (kept.length === heads.length) return page;
  if (kept.length === 0) return null;
  if (!Buffer.isBuffer(content)) return { ...page, heads: kept };
  const wanted = new Set(kept);
  const pieces: Buffer[] = [];
  let at = 0;
  for (const head of heads) {
    const end = at + head.lengthBytes;
    if (wanted.has(head)) pieces.push(content.subarray(at, end));
    at = end;
  }
  return { ...page, heads: kept, content: Buffer.concat(pieces) };
}

export function bytesOf(heads: readonly RecordHead[]): number {
  let bytes = 0;
  for (const { lengthBytes } of heads) bytes += lengthBytes;
  return bytes;
}

/**
 * Asks for the next page while the present one is being written. Not beyond a page with large content, whose bytes come
 * from the same connection. Closes `pages` when its reader stops early.
 */
export async function* readAhead<P extends Page>(pages: AsyncIterable<P>): AsyncGenerator<P> {
  const iterator = pages[Symbol.asyncIterator]();
  let isOpen = true;
  let next: Promise<IteratorResult<P>> | undefined;
  try {
    for (;;) {
      const { done, value } = await (next ?? iterator.next());
      next = undefined;
      if (done === true) {
        isOpen = false;
        return;
      }
      if (Buffer.isBuffer(value.content)) {
        next = iterator.next();
        // Its failure is met at the next turn, or nobody waits for it any more.
        next.catch(() => undefined);
      }
      yield value;
    }
  } catch (error) {
    isOpen = false;
    throw error;
  } finally {
    if (isOpen) await iterator.return?.();
  }
}

/** Large records alone, others together; in order. */
export function groupBySize(heads: RecordHead[]): RecordHead[][] {
  const groups: RecordHead[][] = [];
  let group: RecordHead[] = [];
  let bytes = 0;
  for (const head of heads) {
    const isLarge = head.lengthBytes > LARGE_RECORD_BYTES;
    if (group.length > 0 && (isLarge || bytes + head.lengthBytes > MAX_PAGE_BYTES)) {
      groups.push(group);
      group = [];
      bytes = 0;
    }
    group.push(head);
    bytes += head.lengthBytes;
    if (isLarge) {
      groups.push(group);
      group = [];
      bytes = 0;
    }
  }
  if (group.length > 0) groups.push(group);
  return groups;
}
