import { describe, expect, test } from 'vitest';
import {
  formatCount,
  formatDuration,
  formatMegabytes,
  percentile,
} from '../../src/demo/figures.ts';
import { ProgressPrinter, formatProgress } from '../../src/demo/progress.ts';

const SAMPLE = {
  elapsedMs: 7_049,
  recordsPerS: 19_980.4,
  bytesPerS: 20_459_930,
  pendingRecords: 1_234,
  lagMs: 4.2,
  remark: 'cloud down',
};

/** What a stream got, write by write. */
function capture(stream: { isTTY?: boolean; columns?: number }): {
  printer: ProgressPrinter;
  written: string[];
} {
  const written: string[] = [];
  const printer = new ProgressPrinter({ ...stream, write: (text) => written.push(text) });
  return { printer, written };
}

describe('figures', () => {
  test.each([
    [0, '0.0 ms'],
    [9.96, '10.0 ms'],
    [10, '10 ms'],
    [999, '999 ms'],
    [3_410, '3.41 s'],
  ])('%d ms prints as %s', (valueMs, text) => {
    expect(formatDuration(valueMs)).toBe(text);
  });

  test('counts and megabytes have separators', () => {
    expect(formatCount(1_234_567.8)).toBe('1,234,568');
    expect(formatMegabytes(1_234_560_000)).toBe('1,234.6 MB');
  });

  test('percentiles are taken by nearest rank, without changing the values', () => {
    const values = [5, 1, 4, 2, 3];
    expect([0.5, 0.99, 0.2, 0.01].map((share) => percentile(values, share))).toEqual([3, 5, 1, 1]);
    expect(values).toEqual([5, 1, 4, 2, 3]);
    expect(percentile([], 0.5)).toBeUndefined();
  });
});

describe('formatProgress', () => {
  test('shows rate, throughput, pending records, lag and the remark', () => {
    expect(formatProgress(SAMPLE)).toBe(
      '  7 s   19,980 records/s   20.5 MB/s  pending   1,234  lag  4.2 ms  cloud down',
    );
  });

  test('shows a dash for what the instance did not say', () => {
    const line = formatProgress({
      ...SAMPLE,
      pendingRecords: undefined,
      lagMs: undefined,
      remark: '',
    });
    expect(line).toMatch(/pending {7}- {2}lag {7}-$/);
  });
});

describe('ProgressPrinter', () => {
  test('without a terminal every line is a plain line', () => {
    const { printer, written } = capture({});
    printer.show('one');
    printer.note('two');
    expect(written).toEqual(['one\n', 'two\n']);
  });

  test('on a terminal one line is rewritten and a note takes its place', () => {
    const { printer, written } = capture({ isTTY: true, columns: 80 });
    printer.show('one');
    printer.show('two');
    printer.note('three');
    printer.note('four');
    expect(written).toEqual(['\rone\u001b[K', '\rtwo\u001b[K', '\r\u001b[Kthree\n', 'four\n']);
  });

  test('a line never fills the terminal, so that it cannot wrap', () => {
    for (const [columns, expected] of [
      [10, 9],
      [0, 79],
    ] as const) {
      const { printer, written } = capture({ isTTY: true, columns });
      printer.show('x'.repeat(200));
      expect(written[0]).toBe(`\r${'x'.repeat(expected)}\u001b[K`);
    }
  });
});
