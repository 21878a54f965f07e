import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EntryTally, MAX_TOLD_ENTRIES } from '../../../src/replication/lag/entry-tally.ts';
import { MinuteRate } from '../../../src/replication/lag/minute-rate.ts';
import { TaskPace } from '../../../src/replication/lag/task-pace.ts';

describe('the rate of the last minute', () => {
  test('is a mean over the time since the start at first, over 60 s later, and ages while nothing happens', () => {
    const rate = new MinuteRate(1_000_000);
    expect(rate.rate(1_000_000)).toEqual({ recordsPerS: 0, bytesPerS: 0 });
    rate.add(1_000_100, 100, 1000);
    expect(rate.rate(1_000_500)).toEqual({ recordsPerS: 100, bytesPerS: 1000 });
    expect(rate.rate(1_010_000)).toEqual({ recordsPerS: 10, bytesPerS: 100 });
    rate.add(1_030_000, 20, 0);
    expect(rate.rate(1_059_999).recordsPerS).toBeCloseTo(2, 3);
    // The first second is out of it.
    expect(rate.rate(1_060_500).recordsPerS).toBeCloseTo(20 / 60);
    expect(rate.rate(1_090_500)).toEqual({ recordsPerS: 0, bytesPerS: 0 });
  });

  test('never counts anything that is older than a minute, nor loses what is younger', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 30_000 }), fc.nat(1000)));
    fc.assert(
      fc.property(steps, (given) => {
        const rate = new MinuteRate(0);
        let nowMs = 120_000;
        const added: { second: number; records: number }[] = [];
        for (const [waitMs, records] of given) {
          nowMs += waitMs;
          rate.add(nowMs, records, 0);
          added.push({ second: Math.floor(nowMs / 1000), records });
        }
        const oldest = Math.floor(nowMs / 1000) - 60;
        const young = added.filter(({ second }) => second > oldest);
        const sum = young.reduce((total, { records }) => total + records, 0);
        expect(rate.rate(nowMs).recordsPerS * 60).toBeCloseTo(sum, 6);
      }),
    );
  });
});

describe('the time to catch up', () => {
  const at = (passed: number, written: number, epoch = 1) => ({ epoch, passed, written });

  test('is what is left, divided by how much faster it is sent than written', () => {
    const pace = new TaskPace();
    expect(pace.catchUpS(0)).toBeNull();
    pace.sample(0, at(0, 1000));
    expect(pace.catchUpS(0)).toBeNull();
    pace.sample(10_000, at(300, 1100));
    // 30/s sent, 10/s written, 800 left.
    expect(pace.catchUpS(10_000)).toBeCloseTo(40);
    pace.sample(20_000, at(1100, 1100));
    expect(pace.catchUpS(20_000)).toBe(0);
  });

  test('is not foreseeable when more is written than sent', () => {
    const pace = new TaskPace();
    pace.sample(0, at(0, 1000));
    pace.sample(10_000, at(100, 2000));
    expect(pace.catchUpS(10_000)).toBeNull();
  });

  test('begins anew when the task goes to another place', () => {
    const pace = new TaskPace();
    pace.sample(0, at(0, 1000));
    pace.sample(1000, at(900, 1000));
    pace.sample(2000, at(100, 5000, 2));
    expect(pace.catchUpS(2000)).toBeNull();
    pace.sample(3000, at(1100, 5000, 2));
    expect(pace.catchUpS(3000)).toBeCloseTo(3.9);
  });
});

test('a tally tells of the entries that wait longest, and sums up the rest in bounded memory', () => {
  const tally = new EntryTally(0);
  for (let entry = 0; entry < 12_000; entry++) tally.add(`e${entry}`, entry, 2, 20);
  tally.add('e5', 20_000, 1, 10);
  tally.add('none', 20_001, 0, 0);
  const { told, otherEntries, otherRecords, otherBytes } = tally.toCounts();
  expect(told).toHaveLength(MAX_TOLD_ENTRIES);
  expect(told[5]).toEqual({ name: 'e5', records: 3, bytes: 30, sequence: 5 });
  expect(otherEntries).toBe(10_000 - MAX_TOLD_ENTRIES);
  expect(otherRecords).toBe((12_000 - MAX_TOLD_ENTRIES) * 2);
  expect(otherBytes).toBe((12_000 - MAX_TOLD_ENTRIES) * 20);
});
