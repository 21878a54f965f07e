import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SENSOR_ENTRIES, labelsAt, mustBeReplicated } from '../../src/demo/plan.ts';

describe('labelsAt', () => {
  test('shows every sensor all four label sets within the shortest demo', () => {
    for (const [sensorIndex] of SENSOR_ENTRIES.entries()) {
      const seen = new Set<string>();
      for (let elapsedUs = 0; elapsedUs < 5_000_000; elapsedUs += 10_000) {
        seen.add(Object.values(labelsAt(sensorIndex, elapsedUs)).join());
      }
      expect([...seen].toSorted(), `sensor ${sensorIndex}`).toEqual([
        'idle,corrupted',
        'idle,ok',
        'working,corrupted',
        'working,ok',
      ]);
    }
  });

  test('is a function of its arguments and creates no objects', () => {
    fc.assert(
      fc.property(fc.nat(3), fc.nat(4_000_000_000), (sensorIndex, elapsedUs) => {
        expect(labelsAt(sensorIndex, elapsedUs)).toBe(labelsAt(sensorIndex, elapsedUs));
      }),
    );
  });

  test('sensors do not change their labels at the same moments', () => {
    const changesOf = (sensorIndex: number): string => {
      const times: number[] = [];
      for (let elapsedUs = 1000; elapsedUs < 5_000_000; elapsedUs += 1000) {
        const before = labelsAt(sensorIndex, elapsedUs - 1000);
        if (labelsAt(sensorIndex, elapsedUs) !== before) times.push(elapsedUs);
      }
      return times.join();
    };
    expect(new Set(SENSOR_ENTRIES.map((_, index) => changesOf(index))).size).toBe(4);
  });
});

describe('mustBeReplicated', () => {
  test.each([
    [{ engine_status: 'working' }, true],
    [{ engine_status: 'working', sensor_status: 'ok' }, true],
    [{ engine_status: 'working', sensor_status: 'corrupted' }, false],
    [{ engine_status: 'idle' }, false],
    [{}, false],
  ])('follows the table of the contract: %j → %s', (labels, expected) => {
    expect(mustBeReplicated(labels)).toBe(expected);
  });
});
