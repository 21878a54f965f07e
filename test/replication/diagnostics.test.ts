import { describe, expect, test } from 'vitest';
import { HourlyDiagnostics } from '../../src/replication/diagnostics.ts';

const MINUTE_MS = 60_000;

interface Clock {
  nowMs: number;
}

function start(): { clock: Clock; diagnostics: HourlyDiagnostics } {
  const clock = { nowMs: 1_700_000_012_345 };
  return { clock, diagnostics: new HourlyDiagnostics(() => clock.nowMs) };
}

/** Counts one number per consecutive frame. */
function countFrames(counts: readonly number[], { clock, diagnostics } = start()): number[] {
  return counts.map((count, index) => {
    if (index > 0) clock.nowMs += MINUTE_MS;
    if (count > 0) diagnostics.countOk(count);
    return diagnostics.toJson().ok;
  });
}

describe('the vectors of the contract', () => {
  test.each([
    [[1], 60],
    [[1, 1], 60],
    [[1, 1, 2], 80],
    [[1, 0, 1], 40],
    [[1, 1, 2, ...Array.from({ length: 60 }, () => 1)], 60],
  ])('counts per frame %j give %i', (counts, expected) => {
    expect(countFrames(counts).at(-1)).toBe(expected);
  });

  test('errored is interpolated in the same way, the counts per key are not', () => {
    const { clock, diagnostics } = start();
    diagnostics.countError(404, 'first', 1);
    clock.nowMs += MINUTE_MS;
    diagnostics.countError(404, 'second', 1);
    diagnostics.countError(-3, 'ECONNREFUSED 10.0.0.5:8383', 1);
    expect(diagnostics.toJson()).toEqual({
      ok: 0,
      errored: 90,
      errors: {
        '-3': { count: 1, last_message: 'ECONNREFUSED 10.0.0.5:8383' },
        '404': { count: 2, last_message: 'second' },
      },
    });
  });

  test('10 within 20 s read as 600, the 11th after 61 s as 330', () => {
    const { clock, diagnostics } = start();
    clock.nowMs += 20_000;
    diagnostics.countOk(10);
    expect(diagnostics.toJson().ok).toBe(600);
    clock.nowMs += 41_000;
    diagnostics.countOk(1);
    expect(diagnostics.toJson().ok).toBe(330);
  });

  test('300 in half an hour read as 600, 300 in an hour as 300', () => {
    expect(countFrames(Array.from({ length: 30 }, () => 10)).at(-1)).toBe(600);
    expect(countFrames(Array.from({ length: 60 }, () => 5)).at(-1)).toBe(300);
    expect(countFrames(Array.from({ length: 90 }, () => 5)).at(-1)).toBe(300);
  });
});

describe('time', () => {
  test('advances on reading: an idle task forgets after an hour', () => {
    const { clock, diagnostics } = start();
    diagnostics.countOk(7);
    diagnostics.countError(500, 'x', 1);
    clock.nowMs += 59 * MINUTE_MS;
    expect(diagnostics.toJson()).toMatchObject({ ok: 7, errored: 1 });
    clock.nowMs += MINUTE_MS;
    expect(diagnostics.toJson()).toEqual({ ok: 0, errored: 0, errors: {} });
    clock.nowMs += 10_000 * 24 * 60 * MINUTE_MS;
    expect(diagnostics.toJson()).toEqual({ ok: 0, errored: 0, errors: {} });
    diagnostics.countOk(1);
    expect(diagnostics.toJson().ok).toBe(1);
  });

  test('has frames aligned to the start, whenever something is counted', () => {
    const { clock, diagnostics } = start();
    clock.nowMs += MINUTE_MS - 1;
    diagnostics.countOk(1);
    clock.nowMs += 1;
    diagnostics.countOk(2);
    expect(diagnostics.perMinute()).toEqual([
      { ok: 1, errored: 0 },
      { ok: 2, errored: 0 },
    ]);
  });

  test('that steps back counts into the newest frame', () => {
    const { clock, diagnostics } = start();
    clock.nowMs += MINUTE_MS;
    diagnostics.countOk(1);
    clock.nowMs -= 5 * MINUTE_MS;
    diagnostics.countOk(1);
    expect(diagnostics.perMinute().map(({ ok }) => ok)).toEqual([0, 2]);
  });
});

describe('arithmetic', () => {
  test('rounds half up', () => {
    // 1 in 8 frames: 7.5; 1 in 16 frames: 3.75; 1 in 48 frames: 1.25.
    expect(countFrames([1, ...Array.from({ length: 7 }, () => 0)]).at(-1)).toBe(8);
    expect(countFrames([1, ...Array.from({ length: 15 }, () => 0)]).at(-1)).toBe(4);
    expect(countFrames([1, ...Array.from({ length: 47 }, () => 0)]).at(-1)).toBe(1);
  });

  test('is exact where 32-bit floats are not', () => {
    expect(countFrames([2 ** 24 + 1])).toEqual([(2 ** 24 + 1) * 60]);
  });
});

describe('errors', () => {
  test('keep the last message of the newest frame', () => {
    const { diagnostics } = start();
    diagnostics.countError(503, 'old', 3);
    diagnostics.countError(503, 'new\nline', 1);
    expect(diagnostics.toJson().errors).toEqual({ '503': { count: 4, last_message: 'new line' } });
  });

  test.each([40_000, -40_000, 1.5, Number.NaN])('key %d, which SDKs cannot read, is -1', (key) => {
    const { diagnostics } = start();
    diagnostics.countError(key, 'x', 1);
    expect(Object.keys(diagnostics.toJson().errors)).toEqual(['-1']);
  });

  test('are bounded in keys and message length', () => {
    const { diagnostics } = start();
    for (let key = 1; key <= 1_000; key += 1) diagnostics.countError(key, 'm'.repeat(10_000), 1);
    const { errors, errored } = diagnostics.toJson();
    expect(Object.keys(errors).length).toBeLessThanOrEqual(65);
    expect(Object.values(errors).reduce((sum, { count }) => sum + count, 0)).toBe(1_000);
    expect(errored).toBe(60_000);
    expect(errors['-1']?.last_message).toHaveLength(512);
  });
});

test('totals count since the start, whatever the window forgot', () => {
  const { clock, diagnostics } = start();
  diagnostics.countOk(5);
  diagnostics.countError(500, 'x', 2);
  clock.nowMs += 500 * MINUTE_MS;
  diagnostics.countOk(1);
  expect(diagnostics.total()).toEqual({ ok: 6, errored: 2 });
});
