import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Sampler } from '../../src/replication/sampling.ts';

const ENTRY = 1;

function passedMs(sampler: Sampler, timestampsMs: readonly number[]): number[] {
  return timestampsMs.filter((ms) => sampler.accept(ENTRY, BigInt(ms) * 1_000n));
}

describe('each_n', () => {
  test('passes the 1st, N+1st, 2N+1st … record', () => {
    expect(passedMs(new Sampler({ eachN: 3, eachS: null }), [0, 1, 2, 3, 4, 5, 6])).toEqual([
      0, 3, 6,
    ]);
  });

  test('of one passes all', () => {
    expect(passedMs(new Sampler({ eachN: 1, eachS: null }), [0, 1, 2])).toEqual([0, 1, 2]);
  });

  test('counts each entry on its own', () => {
    const sampler = new Sampler({ eachN: 2, eachS: null });
    const passed = [1, 2, 1, 2, 1, 2].map((entryId) => sampler.accept(entryId, 0n));
    expect(passed).toEqual([true, true, false, false, true, true]);
  });
});

describe('each_s', () => {
  test('passes a record at least S after the last that passed: the example of the contract', () => {
    const timestampsMs = [0, 200, 499, 500, 900, 1000, 700];
    expect(passedMs(new Sampler({ eachN: null, eachS: 0.5 }), timestampsMs)).toEqual([
      0, 500, 1000,
    ]);
  });

  test('measures in record time beyond the exact range of numbers', () => {
    const sampler = new Sampler({ eachN: null, eachS: 0.000_001 });
    const last = 2n ** 64n - 1n;
    expect(sampler.accept(ENTRY, last - 1n)).toBe(true);
    expect(sampler.accept(ENTRY, last - 1n)).toBe(false);
    expect(sampler.accept(ENTRY, last)).toBe(true);
  });

  test('of zero passes all but older records', () => {
    expect(passedMs(new Sampler({ eachN: null, eachS: 0 }), [5, 5, 4, 6])).toEqual([5, 5, 6]);
  });

  test('is not thrown off by fractions that binary numbers cannot hold', () => {
    expect(passedMs(new Sampler({ eachN: null, eachS: 1.1 }), [0, 1100])).toEqual([0, 1100]);
  });
});

describe('both', () => {
  test('a record refused by each_n is not seen by each_s', () => {
    // each_n lets 0, 900 and 1800 through; 900 is too early for each_s, and 300 would have been no start.
    const sampler = new Sampler({ eachN: 2, eachS: 1 });
    expect(passedMs(sampler, [0, 300, 900, 1000, 1800])).toEqual([0, 1800]);
  });

  test('a record refused by each_s has advanced each_n', () => {
    expect(passedMs(new Sampler({ eachN: 2, eachS: 1 }), [0, 1, 2, 3000, 4000])).toEqual([0, 4000]);
  });
});

test('neither passes everything and is not active', () => {
  const sampler = new Sampler({ eachN: null, eachS: null });
  expect(sampler.active).toBe(false);
  expect(passedMs(sampler, [3, 2, 1])).toEqual([3, 2, 1]);
  expect(new Sampler({ eachN: 1, eachS: null }).active).toBe(true);
});

test('a snapshot taken anywhere goes on as if nothing had happened, also in another thread', () => {
  const records = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.bigInt(0n, 5_000_000n)));
  const settings = fc.record({
    eachN: fc.option(fc.integer({ min: 1, max: 4 })),
    eachS: fc.option(fc.constantFrom(0, 0.5, 1)),
  });
  fc.assert(
    fc.property(records, settings, fc.nat(), (all, options, cut) => {
      const at = all.length === 0 ? 0 : cut % all.length;
      const uncut = new Sampler(options);
      const expected = all.map(([id, ts]) => uncut.accept(id, ts));
      const first = new Sampler(options);
      const before = all.slice(0, at).map(([id, ts]) => first.accept(id, ts));
      const snapshot = first.snapshot();
      // What the first sampler does afterwards must not reach the snapshot.
      for (const [id, ts] of all) first.accept(id, ts + 1n);
      const second = new Sampler(options, structuredClone(snapshot));
      const after = all.slice(at).map(([id, ts]) => second.accept(id, ts));
      expect([...before, ...after]).toEqual(expected);
    }),
  );
});
