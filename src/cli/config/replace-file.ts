import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { CliError } from '../errors.ts';

/** Only the owner may read and write. */
const PRIVATE = 0o600;

/**
 * Writes a file as a whole: readers see the old content or the new one, also after a crash. The file that is being
 * written stands beside it and is the lock against a second writer.
 * @param content is asked once no other writer can come in between.
 * @throws CliError when another process is writing, and what the file system says.
 */
export function replaceFile(path: string, content: () => string): void {
  const next = `${path}.new`;
  fillAndRename(openNew(next), next, path, content);
}

/**
 * Writes all of the open file `next`, closes it, and puts it in the place of `path`. When that fails `path` is as it was,
 * and `next` is gone.
 * @throws what the file system says, or `content`.
 */
export function fillAndRename(
  file: number,
  next: string,
  path: string,
  content: () => string,
): void {
  try {
    try {
      writeFileSync(file, content());
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(next, path);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
}

function openNew(path: string): number {
  try {
    return openSync(path, 'wx', PRIVATE);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    throw new CliError(
      `${path} is there: another command is changing the file at this moment`,
      `Try again; if it stays there after a crash, remove it.`,
    );
  }
}
