/** A folder as the destination of a copy. A file has its name only when it is complete. */
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { EntryFigures } from '../client/instance-client.ts';
import type { TimeRange } from '../client/query-body.ts';
import type { RecordHead } from '../client/record-heads.ts';
import { isMetaEntry } from '../replication/entry-pattern.ts';
import { Attempts, describeError, type RetryOptions } from './attempts.ts';
import { fileErrorText, isDiskError, isMissingFile, isRunning } from './files.ts';
import {
  type ContentFile,
  contentName,
  entryFolder,
  formatFileMeta,
  metaName,
  metaOfName,
  parseFileMeta,
  unfinishedName,
  writerOf,
} from './folder-layout.ts';
import { listFiles, scanEntries } from './folder-scan.ts';
import {
  type CopySink,
  CopyStoppedError,
  type FailedRecord,
  type LargeContent,
  type Page,
  type WriteOutcome,
} from './types.ts';

export interface FolderSinkOptions {
  readonly folder: string;
  /** Of all files, without the dot; `null`: by the content types. */
  readonly extension: string | null;
  /** `<µs>-meta.json` beside each file; attachments always have one, as their names are labels. */
  readonly withMeta: boolean;
  readonly retry: RetryOptions;
  readonly signal: AbortSignal;
}

/** Files written at the same time, of one entry. */
const FILES_IN_FLIGHT = 8;

/** Heads of one page of a list. */
const LIST_PAGE = 500;

export class FolderSink implements CopySink {
  readonly #options: FolderSinkOptions;
  /** Folders that are there and hold no leftovers of writers that are gone. */
  readonly #ready: Map<string, Promise<void>> = new Map();

  constructor(options: FolderSinkOptions) {
    this.#options = options;
  }

  async prepare(): Promise<boolean> {
    try {
      return (await mkdir(this.#options.folder, { recursive: true })) !== undefined;
    } catch (error) {
      throw new CopyStoppedError(fileErrorText(error), { cause: error });
    }
  }

  async entries(): Promise<ReadonlyMap<string, EntryFigures>> {
    return new Map(scanEntries(this.#options.folder).map((entry) => [entry.name, entry]));
  }

  async *list(entry: string, range: TimeRange): AsyncGenerator<readonly RecordHead[]> {
    const path = this.#pathOf(entry);
    const files = await listFiles(path, range);
    for (let at = 0; at < files.length; at += LIST_PAGE) {
      yield await Promise.all(files.slice(at, at + LIST_PAGE).map((file) => headOf(path, file)));
    }
  }

  async write(entry: string, page: Page): Promise<WriteOutcome> {
    const path = this.#pathOf(entry);
    await this.#prepareFolder(path);
    const { heads, content } = page;
    const failed: FailedRecord[] = [];
    let copied = 0;
    let copiedBytes = 0;
    let start = 0;
    let endedBy: unknown = null;
    for (let at = 0; at < heads.length && endedBy === null; at += FILES_IN_FLIGHT) {
      const part = heads.slice(at, at + FILES_IN_FLIGHT);
      const writes = part.map((head) => {
        const end = start + head.lengthBytes;
        const bytes = Buffer.isBuffer(content) ? content.subarray(start, end) : content;
        start = end;
        return this.#writeRecord(entry, path, head, bytes);
      });
      // Files that are being written are finished before anything else.
      const results = await Promise.allSettled(writes);
      for (const [index, { ts, lengthBytes }] of part.entries()) {
        const result = results[index];
        if (result?.status !== 'fulfilled') endedBy ??= result?.reason;
        else if (result.value !== null) failed.push({ entry, ts, ...result.value });
        else {
          copied++;
          copiedBytes += lengthBytes;
        }
      }
    }
    return { copied, copiedBytes, skipped: 0, failed, endedBy };
  }

  /** @returns why it was not written. @throws CopyStoppedError when no other can be either. */
  async #writeRecord(
    entry: string,
    path: string,
    head: RecordHead,
    content: Buffer | LargeContent,
  ): Promise<{ readonly status: number; readonly reason: string } | null> {
    const { extension, withMeta } = this.#options;
    const { ts, lengthBytes, meta } = head;
    try {
      // The meta file goes first: a file with its content name is a whole record.
      if (withMeta || isMetaEntry(entry)) {
        const text = formatFileMeta(ts, entry, lengthBytes, meta);
        await this.#place(path, metaName(ts), (target) => writeFile(target, text));
      }
      await this.#place(path, contentName(ts, meta.contentType, extension), (target) =>
        Buffer.isBuffer(content)
          ? writeFile(target, content)
          : this.#writeLarge(target, content, lengthBytes),
      );
      return null;
    } catch (error) {
      if (isDiskError(error)) throw new CopyStoppedError(fileErrorText(error), { cause: error });
      if (error instanceof CopyStoppedError || this.#options.signal.aborted) throw error;
      const { status, reason } = describeError(error);
      return { status, reason: status === -1 ? fileErrorText(error) : reason };
    }
  }

  async #place(
    path: string,
    name: string,
    write: (target: string) => Promise<void>,
  ): Promise<void> {
    const unfinished = join(path, unfinishedName(name, process.pid));
    try {
      await write(unfinished);
      await rename(unfinished, join(path, name));
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  }

  async #writeLarge(target: string, content: LargeContent, lengthBytes: number): Promise<void> {
    const attempts = new Attempts(this.#options.retry, this.#options.signal);
    for (;;) {
      try {
        await pipeline(content.open(), createWriteStream(target));
        const { size } = await stat(target);
        if (size === lengthBytes) return;
        throw new Error(`${size} bytes arrived of ${lengthBytes}`);
      } catch (error) {
        if (isDiskError(error)) throw error;
        await attempts.failed(error, 'source');
      }
    }
  }

  #prepareFolder(path: string): Promise<void> {
    let ready = this.#ready.get(path);
    if (ready === undefined) {
      ready = makeFolder(path);
      this.#ready.set(path, ready);
    }
    return ready;
  }

  #pathOf(entry: string): string {
    return join(this.#options.folder, entryFolder(entry));
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
    for (const name of await readdir(path)) {
      const writer = writerOf(name);
      if (writer !== null && !isRunning(writer)) await rm(join(path, name), { force: true });
    }
  } catch (error) {
    throw new CopyStoppedError(fileErrorText(error), { cause: error });
  }
}

async function headOf(path: string, { ts, name }: ContentFile): Promise<RecordHead> {
  const { size } = await stat(join(path, name));
  try {
    const { meta } = parseFileMeta(await readFile(join(path, metaName(ts)), 'utf8'));
    return { ts, lengthBytes: size, meta };
  } catch (error) {
    if (!isMissingFile(error)) throw error;
    return { ts, lengthBytes: size, meta: metaOfName(name) };
  }
}
