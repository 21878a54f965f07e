import { describe, expect, test } from 'vitest';
import {
  decodeCursor,
  decodeDeadLetter,
  decodeTask,
  encodeCursor,
  encodeDeadLetter,
  encodeTask,
} from '../../src/replication/task-codec.ts';
import { filtersOf } from '../../src/replication/past-filters.ts';
import type { TaskCursor } from '../../src/replication/types.ts';
import { newVault } from '../lib/engine-fixture.ts';
import { settingsFor } from '../lib/slice-driver.ts';

const vault = newVault('11'.repeat(32));

const cursor: TaskCursor = {
  position: { partition: 0, sequence: 2 ** 40, bucketOrdinal: 7, index: 85 },
  bucketId: 3,
  gaps: [{ from: { partition: 0, sequence: 5, bucketOrdinal: 1 }, resume: null }],
  pastFilters: [
    { until: 9, filters: filtersOf(settingsFor('http://x', { whenText: '{"10":1}', eachS: 0.5 })) },
  ],
  droppedRecords: 3,
  removedAtSource: 2,
  removedByCause: { quota: 1 },
  filterState: {
    sampling: {
      seenByEntry: new Map([[1, 2]]),
      lastPassedUsByEntry: new Map([[1, 2n ** 63n]]),
    },
    condition: new Map(),
  },
};

describe('rows of the store', () => {
  test('give back what was put in', () => {
    const settings = settingsFor('http://x', { dstToken: 't', whenText: '{"10":1}', eachS: 0.5 });
    const task = { id: 1, name: 'n', settings };
    expect(decodeTask(encodeTask(task, vault), vault)).toEqual({ task, isStale: false });
    expect(decodeCursor(encodeCursor(cursor))).toEqual(cursor);
    const letter = {
      entryId: 3,
      entryName: 'e',
      ts: 2n ** 64n - 1n,
      kind: 'write',
      reason: 'conflict',
      status: 409,
      message: 'm',
      lengthBytes: 12,
      refusedAtMs: 1,
      attempts: 2,
    } as const;
    expect(decodeDeadLetter(encodeDeadLetter(letter))).toEqual(letter);
  });

  test('of tasks never hold the token', () => {
    const settings = settingsFor('http://x', { dstToken: 'a-secret-token' });
    const row = encodeTask({ id: 1, name: 'n', settings }, vault);
    expect(row.includes('a-secret-token')).toBe(false);
  });

  test('of version 1, with the token in clear text, are read and have to be written again', () => {
    const settings = { srcBucket: 's', dstHost: 'http://x', dstToken: 'a-secret-token' };
    const text = JSON.stringify({ id: 1, name: 'n', settings });
    const row = Buffer.concat([Buffer.from([1]), Buffer.from(text)]);
    const { task, isStale } = decodeTask(row, vault);
    expect(isStale).toBe(true);
    expect(task.settings).toMatchObject({ dstToken: 'a-secret-token', lockedToken: null });
    expect(decodeTask(encodeTask(task, vault), vault)).toEqual({ task, isStale: false });
  });

  test('whose key is missing keep the token locked until the key is back', () => {
    const settings = settingsFor('http://x', { dstToken: 'a-secret-token' });
    const row = encodeTask({ id: 1, name: 'n', settings }, vault);
    const other = newVault('22'.repeat(32));
    const locked = decodeTask(row, other);
    expect(locked.isStale).toBe(false);
    expect(locked.task.settings.dstToken).toBeNull();
    expect(locked.task.settings.lockedToken?.problem).toBe('MILLRACE_SECRET_KEY is another key');
    const kept = encodeTask(locked.task, other);
    expect(decodeTask(kept, vault).task.settings).toEqual(settings);
  });

  test('of another version or cut short are refused, not guessed at', () => {
    const row = encodeCursor(cursor);
    const other = Buffer.from(row);
    other[0] = 9;
    expect(() => decodeCursor(other)).toThrow('unknown version 9');
    expect(() => decodeCursor(row.subarray(0, 20))).toThrow('cannot be decoded');
  });
});
