import { expect, test } from 'vitest';
import { HeadMarks } from '../../src/replication/head-marks.ts';

test('the age of a block is the time since the head moved past it', () => {
  const marks = new HeadMarks(10, 0);
  marks.add(20, 100);
  marks.add(30, 200);
  expect(marks.ageMs(5, 1000)).toBe(1000);
  expect(marks.ageMs(10, 1000)).toBe(900);
  expect(marks.ageMs(19, 1000)).toBe(900);
  expect(marks.ageMs(20, 1000)).toBe(800);
  expect(marks.ageMs(30, 1000)).toBe(0);
});

test('memory is bounded, and recent ages stay exact', () => {
  const marks = new HeadMarks(0, 0);
  for (let i = 1; i <= 100_000; i++) marks.add(i, i * 10);
  expect(marks.ageMs(99_990, 1_000_000)).toBe(90);
  const old = marks.ageMs(10, 1_000_000);
  expect(old).toBeGreaterThan(0);
  expect(old).toBeLessThanOrEqual(1_000_000);
});
