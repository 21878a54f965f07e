import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { COLUMN_META } from '../../src/store/format.ts';
import { openRocks } from '../../src/store/rocks.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const ITERATORS = 20_000;
/** An iterator that is kept costs about 700 bytes. */
const GROWTH_BYTES = 4 * 1024 * 1024;

test('a closed iterator leaves nothing behind', async () => {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect !== 'function') throw new Error('no garbage collector');
  await withTempDir(async (path) => {
    const db = await openRocks(path, { cacheBytes: 1024 * 1024 });
    try {
      const iterate = (): void => {
        const iterator = db.iterate(COLUMN_META, { gte: Buffer.from('a') });
        iterator.next(1);
        iterator.close();
      };
      for (let i = 0; i < 1000; i++) iterate();
      collect();
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < ITERATORS; i++) iterate();
      collect();
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(GROWTH_BYTES);
    } finally {
      await db.close();
    }
  });
});
