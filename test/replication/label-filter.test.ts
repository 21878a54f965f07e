import { describe, expect, test } from 'vitest';
import { compileLabelFilter } from '../../src/replication/label-filter.ts';

describe('include and exclude together, as in the contract', () => {
  const passes = compileLabelFilter({
    include: { engine_status: 'working' },
    exclude: { sensor_status: 'corrupted' },
  });

  test.each([
    [['engine_status', 'working'], true],
    [['engine_status', 'working', 'sensor_status', 'ok'], true],
    [['engine_status', 'working', 'sensor_status', 'corrupted'], false],
    [['sensor_status', 'corrupted', 'engine_status', 'working'], false],
    [['engine_status', 'idle'], false],
    [[], false],
  ])('labels %j: %s', (labels, passed) => {
    expect(passes(labels)).toBe(passed);
  });
});

test('include wants every pair', () => {
  const passes = compileLabelFilter({ include: { a: '1', b: '2' }, exclude: {} });
  expect(passes(['b', '2', 'c', '3', 'a', '1'])).toBe(true);
  expect(passes(['a', '1'])).toBe(false);
  expect(passes(['a', '1', 'b', '3'])).toBe(false);
});

test('exclude rejects only with every pair', () => {
  const passes = compileLabelFilter({ include: {}, exclude: { a: '1', b: '2' } });
  expect(passes(['a', '1', 'b', '2'])).toBe(false);
  expect(passes(['a', '1'])).toBe(true);
  expect(passes(['a', '1', 'b', '3'])).toBe(true);
  expect(passes([])).toBe(true);
});

test('empty maps pass everything', () => {
  const passes = compileLabelFilter({ include: {}, exclude: {} });
  expect(passes([])).toBe(true);
  expect(passes(['a', '1'])).toBe(true);
});

test('texts are compared as they are', () => {
  const passes = compileLabelFilter({ include: { n: '1', flag: 'True' }, exclude: {} });
  expect(passes(['n', '1', 'flag', 'True'])).toBe(true);
  expect(passes(['n', '01', 'flag', 'True'])).toBe(false);
  expect(passes(['n', '1', 'flag', 'true'])).toBe(false);
});

test('a value is never taken for a name', () => {
  const passes = compileLabelFilter({ include: { a: 'b' }, exclude: {} });
  expect(passes(['x', 'a', 'b', 'b'])).toBe(false);
});
