/** Owns what a row starts: processes and folders are gone when the row is over, also after an error or Ctrl-C. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type Cleanup = () => Promise<void> | void;

export class Scope {
  readonly #cleanups: Cleanup[] = [];
  readonly #emergencies: Set<() => void> = new Set();
  readonly #onExit = (): void => {
    for (const emergency of this.#emergencies) emergency();
  };

  constructor() {
    process.on('exit', this.#onExit);
  }

  /**
   * @param cleanup runs at `close`, last registered first
   * @param emergency runs instead of it when the process ends before; synchronous
   */
  defer(cleanup: Cleanup, emergency: () => void): void {
    this.#emergencies.add(emergency);
    this.#cleanups.push(async () => {
      await cleanup();
      this.#emergencies.delete(emergency);
    });
  }

  /** A temporary folder that goes with the scope. `TMPDIR` says where. */
  folder(): string {
    const path = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
    const remove = (): void => {
      rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    };
    this.defer(remove, remove);
    return path;
  }

  async close(): Promise<void> {
    for (let cleanup = this.#cleanups.pop(); cleanup !== undefined;) {
      await cleanup();
      cleanup = this.#cleanups.pop();
    }
    process.off('exit', this.#onExit);
  }
}
