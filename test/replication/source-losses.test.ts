import { describe, expect, test } from 'vitest';
import { SourceLosses, unknownLosses } from '../../src/replication/source-losses.ts';

const NOTHING = { quota: 0, lifecycle: 0, record_removed: 0, entry_removed: 0, bucket_removed: 0 };

describe('causes of missing records', () => {
  test('are told once the task has come to the places', () => {
    const losses = new SourceLosses();
    losses.tell('lifecycle', 5);
    expect(losses.byCause(0)).toEqual(NOTHING);
    expect(losses.byCause(2)).toEqual({ ...NOTHING, lifecycle: 2 });
    expect(losses.byCause(5)).toEqual({ ...NOTHING, lifecycle: 5 });
  });

  test('never add up to more than is missing; what nobody told is unknown', () => {
    const losses = new SourceLosses(10, { quota: 4 });
    losses.tell('record_removed', 3);
    losses.tell('entry_removed', 1);
    const counts = losses.byCause(16);
    expect(counts).toEqual({ ...NOTHING, quota: 4, record_removed: 3, entry_removed: 1 });
    expect(unknownLosses(16, counts)).toBe(8);
  });
});
