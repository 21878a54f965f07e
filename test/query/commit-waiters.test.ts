import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CommitWaiters } from '../../src/query/commit-waiters.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function observe(promise: Promise<boolean>): { value: boolean | undefined } {
  const seen: { value: boolean | undefined } = { value: undefined };
  void promise.then((value) => {
    seen.value = value;
  });
  return seen;
}

describe('a read that waits for records', () => {
  test('goes on after a commit to its bucket', async () => {
    const waiters = new CommitWaiters();
    let isReady = false;
    const seen = observe(waiters.wait(7, () => isReady, 1_000, 0));
    isReady = true;
    waiters.onCommitted([8]);
    await vi.advanceTimersByTimeAsync(100);
    expect(seen.value).toBeUndefined();
    waiters.onCommitted([7]);
    await vi.advanceTimersByTimeAsync(10);
    expect(seen.value).toBe(true);
    expect(waiters.size).toBe(0);
  });

  test('goes on waiting when the commit brought nothing for it', async () => {
    const waiters = new CommitWaiters();
    let isReady = false;
    const seen = observe(waiters.wait(7, () => isReady, 1_000, 0));
    waiters.onCommitted([7]);
    await vi.advanceTimersByTimeAsync(100);
    expect(seen.value).toBeUndefined();
    isReady = true;
    waiters.onCommitted([7]);
    await vi.advanceTimersByTimeAsync(10);
    expect(seen.value).toBe(true);
  });

  test('notices a commit from before it began to wait', async () => {
    const waiters = new CommitWaiters();
    const seen = observe(waiters.wait(7, () => true, 1_000, 0));
    await vi.advanceTimersByTimeAsync(10);
    expect(seen.value).toBe(true);
  });

  test('gives up when its time is over', async () => {
    const waiters = new CommitWaiters();
    const seen = observe(waiters.wait(7, () => false, 1_000, 0));
    await vi.advanceTimersByTimeAsync(999);
    expect(seen.value).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.value).toBe(false);
    expect(waiters.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('looks again less and less often while it finds nothing', async () => {
    const waiters = new CommitWaiters();
    const seen = observe(waiters.wait(7, () => true, 10_000, 20));
    await vi.advanceTimersByTimeAsync(249);
    expect(seen.value).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.value).toBe(true);
  });

  test('is released when the server stops', async () => {
    const waiters = new CommitWaiters();
    const seen = observe(waiters.wait(7, () => false, 1_000, 0));
    waiters.releaseAll();
    await vi.advanceTimersByTimeAsync(0);
    expect(seen.value).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });
});
