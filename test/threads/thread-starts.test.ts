import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { THREAD_STARTED, ThreadStarts } from '../../src/threads/thread-starts.ts';

test('threads count as started when each has said so, whatever else they say', async () => {
  const pool = new EventEmitter();
  const starts = new ThreadStarts(pool, 2);
  let isSettled = false;
  const settled = starts.settled().then(() => {
    isSettled = true;
  });
  pool.emit('message', THREAD_STARTED);
  pool.emit('message', { other: 1 });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isSettled).toBe(false);
  pool.emit('message', THREAD_STARTED);
  await settled;
  expect(pool.listenerCount('message')).toBe(0);
  await starts.settled();
});
