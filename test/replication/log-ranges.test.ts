import { describe, expect, test } from 'vitest';
import type { Position } from '../../src/catalog/positions.ts';
import {
  closeGap,
  endOf,
  openGap,
  recordsBetween,
  skipGaps,
  stopOf,
} from '../../src/replication/log-ranges.ts';

function at(sequence: number, bucketOrdinal = sequence * 10): Position {
  return { partition: 0, sequence, bucketOrdinal };
}

describe('gaps of a task that was disabled', () => {
  test('end a scan where they begin, and are skipped when the position has come to them', () => {
    const gaps = closeGap(openGap([], at(5)), at(8));
    expect(stopOf(gaps)).toBe(5);
    expect(skipGaps({ position: at(4), gaps })).toEqual({ position: at(4), gaps });
    expect(skipGaps({ position: at(5), gaps })).toEqual({ position: at(8), gaps: [] });
  });

  test('never move a position back', () => {
    const gaps = [{ from: at(5), resume: at(8) }];
    expect(skipGaps({ position: at(9), gaps })).toEqual({ position: at(9), gaps: [] });
  });

  test('hold a position while they are open', () => {
    const gaps = openGap([], at(5));
    expect(skipGaps({ position: at(5), gaps })).toEqual({ position: at(5), gaps });
    expect(openGap(gaps, at(9))).toBe(gaps);
    expect(endOf(gaps, at(20))).toEqual(at(5));
    expect(endOf([], at(20))).toEqual(at(20));
  });

  test('that follow each other are skipped together', () => {
    const gaps = [
      { from: at(5), resume: at(8) },
      { from: at(8), resume: at(9) },
    ];
    expect(skipGaps({ position: at(6), gaps })).toEqual({ position: at(9), gaps: [] });
  });

  test('do not count as records between two positions', () => {
    const gaps = [
      { from: at(5), resume: at(8) },
      { from: at(10), resume: at(15) },
    ];
    expect(recordsBetween(at(3), at(20), gaps)).toBe(20 + 20 + 50);
    expect(recordsBetween(at(12), at(11), [])).toBe(0);
  });
});
