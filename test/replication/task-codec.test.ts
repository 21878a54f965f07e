import { describe, expect, test } from 'vitest';
import {
  decodeCursor,
  decodeDeadLetter,
  decodeTask,
  encodeCursor,
  encodeDeadLetter,
  encodeTask,
} from '../../src/replication/task-codec.ts';
import type { TaskCursor } from '../../src/replication/types.ts';
import { settingsFor } from '../lib/slice-driver.ts';

const cursor: TaskCursor = {
  position: { partition: 0, sequence: 2 ** 40, bucketOrdinal: 7 },
  bucketId: 3,
  gaps: [{ from: { partition: 0, sequence: 5, bucketOrdinal: 1 }, resume: null }],
  removedAtSource: 2,
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
    expect(decodeTask(encodeTask(task))).toEqual(task);
    expect(decodeCursor(encodeCursor(cursor))).toEqual(cursor);
    const letter = {
      entryName: 'e',
      ts: 2n ** 64n - 1n,
      status: 422,
      message: 'm',
      refusedAtMs: 1,
    };
    expect(decodeDeadLetter(encodeDeadLetter(letter))).toEqual(letter);
  });

  test('of another version or cut short are refused, not guessed at', () => {
    const row = encodeCursor(cursor);
    const other = Buffer.from(row);
    other[0] = 9;
    expect(() => decodeCursor(other)).toThrow('unknown version 9');
    expect(() => decodeCursor(row.subarray(0, 20))).toThrow('cannot be decoded');
  });
});
