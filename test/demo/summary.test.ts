import { describe, expect, test } from 'vitest';
import { newTally } from '../../src/demo/comparison.ts';
import { formatSummary, type DemoFigures } from '../../src/demo/summary.ts';

const SIGNAL = {
  name: 'shaker',
  sampleRateHz: 400,
  samples: new Float32Array(2_000),
  synthetic: false,
  origin: 'test',
};

function figures(changes: Partial<DemoFigures> = {}): DemoFigures {
  const edge = { ...newTally('edge'), equal: 300_000 };
  const cloud = { ...newTally('cloud'), equal: 44_000 };
  return {
    signal: SIGNAL,
    totals: { records: 300_000, bytes: 307_200_000, batches: 3_700, singles: 4_000, repeats: 0 },
    writeMs: 15_000,
    outageMs: 3_210,
    peakPendingRecords: 9_000,
    catchUpMs: 420,
    caughtUpMs: 100,
    drainMs: 12,
    deliveryMs: [1, 2, 3],
    sender: { batches: 700, retries: 2, erroredRecords: 0 },
    verification: { edge, cloud, surplus: [], durationMs: 4_000, holds: true },
    ...changes,
  };
}

describe('formatSummary', () => {
  test('gives all figures of a run that held', () => {
    const text = formatSummary(figures());
    for (const part of [
      'shaker (recorded, 2,000 samples)',
      '300,000 records, 307.2 MB in 15.00 s: 20,000 records/s, 20.5 MB/s',
      '300,000 of 300,000 acknowledged records found equal',
      '44,000 of 44,000 matching records found equal',
      '3.21 s from SIGKILL to ready again; up to 9,000 records pending',
      '420 ms until less than 100 ms of records was pending; 12 ms from the last write',
      'p50 2.0 ms, p99 3.0 ms',
      '700 batches delivered, 2 sent again',
      'The comparison HOLDS',
    ]) {
      expect(text).toContain(part);
    }
  });

  test('a comparison that fails is named with its findings', () => {
    const cloud = { ...newTally('cloud'), equal: 1, missing: 2, examples: ['cloud: missing at 5'] };
    const { verification } = figures();
    const text = formatSummary(
      figures({
        verification: { ...verification, cloud, surplus: ['cloud: entry x'], holds: false },
      }),
    );
    expect(text).toContain('1 of 3 matching records found equal; 2 missing, 0 different');
    expect(text).toMatch(/FAILS\.\n {2}cloud: missing at 5\n {2}cloud: entry x\n$/);
    expect(text).not.toContain('HOLDS');
  });

  test('what was not measured is not made up, and a synthetic signal is called so', () => {
    const text = formatSummary(
      figures({
        signal: { ...SIGNAL, synthetic: true },
        catchUpMs: undefined,
        deliveryMs: [],
        sender: { batches: undefined, retries: undefined, erroredRecords: 0 },
      }),
    );
    expect(text).toContain('shaker (synthetic,');
    expect(text).toContain('not before the last write');
    expect(text).toMatch(/delivery +not measured/);
    expect(text).toContain('batches not reported, repeats not reported');
  });
});
