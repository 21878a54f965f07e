import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TempDir {
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/** For tests that use a folder in several hooks. */
export async function newTempDir(): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  const remove = async (): Promise<void> => {
    await rm(path, { recursive: true, force: true });
    // The key of tokens, when the folder was that of a store.
    await rm(`${path}.key`, { force: true });
  };
  return { path, remove };
}

/** Runs `use` with an empty folder and removes it afterwards, whatever happened. */
export async function withTempDir<T>(use: (path: string) => Promise<T>): Promise<T> {
  const { path, remove } = await newTempDir();
  try {
    return await use(path);
  } finally {
    await remove();
  }
}
