/** Records that were not copied: the first of them in memory, all of them in a file if one is wanted. */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
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
    this.#fd ??= create(this.#path);
    const { entry, ts, status, reason } = failed;
    const fields = `"entry":${JSON.stringify(entry)},"ts":${ts},"status":${status}`;
    writeSync(this.#fd, `{${fields},"reason":${JSON.stringify(reason)}}\n`);
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
  }
}

function create(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return openSync(path, 'w', 0o600);
}
