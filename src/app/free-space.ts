/**
 * Free bytes of the data folder's file system. Asked of the system once a second, because once per commit group would be
 * too often, and kept up to date in between by what was written.
 *
 * The store must never meet a full disk itself: a flush that fails stops all writing. So beside what a record needs now,
 * the space for flushing what lies in memory is held back: all that was written since the start, at most the size of the
 * memtables. And the space of the next write-ahead log, which the store takes in one piece when a memtable is full, at the
 * very moment its flush begins.
 */
import { statfs } from 'node:fs/promises';

const SAMPLE_INTERVAL_MS = 1000;

/** Two memtables of blocks of 64 MiB and the small ones of the other families, see `src/store/rocks.ts`. */
const MEMTABLE_BYTES = 160 * 1024 * 1024;
/** Manifest, options and the beginnings of new files. */
const HOUSEKEEPING_BYTES = 16 * 1024 * 1024;
/** What a new write-ahead log takes at once: a memtable of blocks and a tenth (72,092 KiB seen with `ls -s`). */
const NEXT_LOG_BYTES = 71 * 1024 * 1024;
/** A byte stored is written to the log now and to a table later. */
const WRITES_PER_BYTE = 2;

export class FreeSpace {
  readonly #path: string;
  readonly #onFailure: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #sampledBytes: number | undefined;
  #writtenBytes = 0;
  #writtenAtSample = 0;

  /** @param onFailure told when the file system cannot be asked; writing then goes on without the check. */
  constructor(path: string, onFailure: (error: unknown) => void) {
    this.#path = path;
    this.#onFailure = onFailure;
  }

  /** Bytes writers may use; undefined while unknown. */
  freeBytes(): number | undefined {
    if (this.#sampledBytes === undefined) return undefined;
    const sinceSample = (this.#writtenBytes - this.#writtenAtSample) * WRITES_PER_BYTE;
    const held = Math.min(this.#writtenBytes, MEMTABLE_BYTES) + NEXT_LOG_BYTES + HOUSEKEEPING_BYTES;
    return Math.max(0, this.#sampledBytes - sinceSample - held);
  }

  /** Tells of bytes that a commit has just written. */
  wrote(bytes: number): void {
    this.#writtenBytes += bytes;
  }

  async start(): Promise<void> {
    await this.#sample();
    this.#timer = setInterval(() => void this.#sample(), SAMPLE_INTERVAL_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #sample(): Promise<void> {
    const written = this.#writtenBytes;
    try {
      const { bavail, bsize } = await statfs(this.#path);
      this.#sampledBytes = bavail * bsize;
      this.#writtenAtSample = written;
    } catch (error) {
      this.#sampledBytes = undefined;
      this.#onFailure(error);
    }
  }
}
