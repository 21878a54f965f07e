/** Records that were not copied: the first of them in memory, all of them in a file if one is wanted. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { FailedRecord } from './types.ts';

/** Kept in memory; policy when full: `count_only`. */
const MAX_KEPT = 100;

export class Failures {
  readonly first: FailedRecord[] = [];
  count = 0;
  readonly #path: string | null;
  #fd: number | null = null;

  /** @param path of a file of JSON lines, made with the first failure; `null`: none. */
  constructor(path: string | null) {
    this.#path = path;
  }

  /** The file, once there is one. */
  get path(): string | null {
    return this.#fd === null ? null : this.#path;
  }

  /** @throws the error of the file system when the file cannot be written. */
  add(failed: FailedRecord): void {
    this.count++;
    if (this.first.length < MAX_KEPT) this.first.push(failed);
    if (this.#path === null) return;
    this.#fd ??= openSync(this.#path, 'w', 0o600);
    const { entry, ts, status, reason } = failed;
    const fields = `"entry":${JSON.stringify(entry)},"ts":${ts},"status":${status}`;
    writeSync(this.#fd, `{${fields},"reason":${JSON.stringify(reason)}}\n`);
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
  }
}
