/** A folder as the source of a copy. */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BucketSettings, EntryFigures } from '../client/instance-client.ts';
import type { TimeRange } from '../client/query-body.ts';
import type { RecordHead } from '../client/record-heads.ts';
import { MAX_BATCH_RECORDS } from '../replication/scan/batch.ts';
import { isMissingFile, fileErrorText } from './files.ts';
import {
  type ContentFile,
  entryFolder,
  metaName,
  metaOfName,
  parseFileMeta,
} from './folder-layout.ts';
import { listFiles, scanEntries } from './folder-scan.ts';
import { LARGE_RECORD_BYTES } from './pages.ts';
import { Selection } from './selection.ts';
import {
  type CopyFilter,
  type CopySource,
  CopyStoppedError,
  type EntryReader,
  type ListedHead,
  MAX_PAGE_BYTES,
  type Page,
  type ReaderOptions,
} from './types.ts';

/** Heads read at the same time. */
const LIST_PAGE = 100;

export class FolderSource implements CopySource {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A folder knows of no bucket: the destination's defaults. */
  async settings(): Promise<BucketSettings> {
    return {};
  }

  async entries(): Promise<readonly EntryFigures[]> {
    let entries: EntryFigures[];
    try {
      await stat(this.#folder);
      entries = scanEntries(this.#folder);
    } catch (error) {
      throw new CopyStoppedError(fileErrorText(error), { cause: error });
    }
    if (entries[0]?.name !== '') return entries;
    throw new CopyStoppedError(
      `${this.#folder} holds records itself: name the folder above, whose folders are the entries`,
    );
  }

  reader(entry: string, filter: CopyFilter, options: ReaderOptions): EntryReader {
    const path = join(this.#folder, entryFolder(entry));
    return new FolderEntryReader(path, entry, new Selection(filter), options);
  }
}

class FolderEntryReader implements EntryReader {
  readonly mustList = false;
  readonly isStateful = false;
  readonly isComputed = false;
  readonly #path: string;
  readonly #entry: string;
  readonly #selection: Selection;
  readonly #options: ReaderOptions;
  readonly #names: WeakMap<RecordHead, string> = new WeakMap();

  constructor(path: string, entry: string, selection: Selection, options: ReaderOptions) {
    this.#path = path;
    this.#entry = entry;
    this.#selection = selection;
    this.#options = options;
  }

  async *list(range: TimeRange): AsyncGenerator<readonly RecordHead[]> {
    const files = await listFiles(this.#path, range);
    for (let at = 0; at < files.length && !this.#selection.isFull; at += LIST_PAGE) {
      const part = files.slice(at, at + LIST_PAGE);
      const heads = await this.#collect(part, (file, index) =>
        this.#headOf(file, files[at + index - 1]),
      );
      yield this.#selection.select(heads);
    }
  }

  async *stream(range: TimeRange): AsyncGenerator<Page> {
    for await (const heads of this.list(range)) yield* this.#read(heads);
  }

  async *fetch(wanted: readonly ListedHead[]): AsyncGenerator<Page> {
    yield* this.#read(wanted.map(({ head }) => head));
  }

  /** @throws Error why the file is no record. */
  async #headOf({ ts, name }: ContentFile, before: ContentFile | undefined): Promise<RecordHead> {
    if (before?.ts === ts) throw new Error(`${before.name} has the same timestamp as ${name}`);
    const { size } = await stat(join(this.#path, name));
    const { meta, sizeBytes } = await this.#metaOf({ ts, name });
    if (sizeBytes !== null && sizeBytes !== size) {
      throw new Error(`${name} has ${size} bytes, its meta file says ${sizeBytes}`);
    }
    const head = { ts, lengthBytes: size, meta };
    this.#names.set(head, name);
    return head;
  }

  async #metaOf({ ts, name }: ContentFile): Promise<ReturnType<typeof parseFileMeta>> {
    const path = join(this.#path, metaName(ts));
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if (isMissingFile(error)) return { meta: metaOfName(name), sizeBytes: null };
      throw error;
    }
    try {
      return parseFileMeta(text);
    } catch (error) {
      throw new Error(`${metaName(ts)}: ${fileErrorText(error)}`, { cause: error });
    }
  }

  async *#read(heads: readonly RecordHead[]): AsyncGenerator<Page> {
    for (const group of groupFiles(heads)) {
      const [first] = group;
      if (first !== undefined && first.lengthBytes > LARGE_RECORD_BYTES) {
        const path = this.#fileOf(first);
        yield { heads: group, content: { open: () => createReadStream(path) }, heldBytes: 0 };
        continue;
      }
      yield* this.#readSmall(group);
    }
  }

  async *#readSmall(group: readonly RecordHead[]): AsyncGenerator<Page> {
    const bytes = group.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    await this.#options.lease.acquire(bytes);
    const read = await this.#collect(group, async (head) => ({
      head,
      content: await this.#contentOf(head),
    }));
    if (read.length === 0) {
      this.#options.lease.release(bytes);
      return;
    }
    const content = Buffer.concat(read.map((one) => one.content));
    yield { heads: read.map(({ head }) => head), content, heldBytes: bytes };
  }

  /** @throws Error when it is not what was listed. */
  async #contentOf(head: RecordHead): Promise<Buffer> {
    const content = await readFile(this.#fileOf(head));
    if (content.length === head.lengthBytes) return content;
    throw new Error(`the file changed: ${content.length} bytes instead of ${head.lengthBytes}`);
  }

  /** Works on all at once. What fails is reported in the order of time, whatever the order of the disk. */
  async #collect<T extends { readonly ts: bigint }, R>(
    items: readonly T[],
    work: (item: T, index: number) => Promise<R>,
  ): Promise<R[]> {
    const results = await Promise.allSettled(items.map(work));
    const done: R[] = [];
    for (const [index, { ts }] of items.entries()) {
      const result = results[index];
      if (result?.status === 'fulfilled') done.push(result.value);
      else this.#fail(ts, result?.reason);
    }
    return done;
  }

  #fileOf(head: RecordHead): string {
    return join(this.#path, this.#names.get(head) ?? '');
  }

  #fail(ts: bigint, error: unknown): void {
    this.#options.onFailed({ entry: this.#entry, ts, status: 0, reason: fileErrorText(error) });
  }
}

/** Up to what one request holds; a large file alone. */
function groupFiles(heads: readonly RecordHead[]): RecordHead[][] {
  const groups: RecordHead[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const head of heads) {
    const isLarge = head.lengthBytes > LARGE_RECORD_BYTES;
    const group = groups.at(-1);
    const isFull = bytes + head.lengthBytes > MAX_PAGE_BYTES || isLarge;
    if (group === undefined || isFull || group.length >= MAX_BATCH_RECORDS) {
      groups.push([head]);
      bytes = isLarge ? Number.POSITIVE_INFINITY : head.lengthBytes;
    } else {
      group.push(head);
      bytes += head.lengthBytes;
    }
  }
  return groups;
}
