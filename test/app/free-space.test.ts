import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { FreeSpace } from '../../src/app/free-space.ts';

const MEBIBYTE = 1024 * 1024;

test('what was written since the last look counts twice, and once more as long as it lies in memory', async () => {
  const space = new FreeSpace(tmpdir(), (error) => {
    throw error;
  });
  expect(space.freeBytes()).toBeUndefined();
  await space.start();
  const before = space.freeBytes() ?? 0;
  space.wrote(10 * MEBIBYTE);
  expect(before - (space.freeBytes() ?? 0)).toBe(30 * MEBIBYTE);
  space.stop();
  const { bavail, bsize } = await statfs(tmpdir());
  expect(before).toBeLessThan(bavail * bsize);
});

test('when the file system cannot be asked, that is reported and nothing is refused', async () => {
  const errors: unknown[] = [];
  const space = new FreeSpace('/no/such/folder', (error) => errors.push(error));
  await space.start();
  space.stop();
  expect(space.freeBytes()).toBeUndefined();
  expect(errors).toHaveLength(1);
});
