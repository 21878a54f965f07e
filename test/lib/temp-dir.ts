import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs `use` with an empty folder and removes it afterwards, whatever happened. */
export async function withTempDir<T>(use: (path: string) => Promise<T>): Promise<T> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  try {
    return await use(path);
  } finally {
    await rm(path, { recursive: true, force: true });
    // The key of tokens, when the folder was that of a store.
    await rm(`${path}.key`, { force: true });
  }
}
