/** Free bytes of the data folder's file system, sampled: a system call per commit group would be too many. */
import { statfs } from 'node:fs/promises';

const SAMPLE_INTERVAL_MS = 1000;

/**
 * Kept free for the store's own work: what is in the write-ahead log is written once more when a memtable is flushed.
 */
const RESERVE_BYTES = 64 * 1024 * 1024;

export class FreeSpace {
  readonly #path: string;
  readonly #onFailure: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #freeBytes: number | undefined;

  /** @param onFailure told when the file system cannot be asked; writing then goes on without the check. */
  constructor(path: string, onFailure: (error: unknown) => void) {
    this.#path = path;
    this.#onFailure = onFailure;
  }

  /** Bytes writers may use, without the reserve; undefined while unknown. */
  freeBytes(): number | undefined {
    return this.#freeBytes;
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
    try {
      const { bavail, bsize } = await statfs(this.#path);
      this.#freeBytes = Math.max(0, bavail * bsize - RESERVE_BYTES);
    } catch (error) {
      this.#freeBytes = undefined;
      this.#onFailure(error);
    }
  }
}
