import { expect, test } from 'vitest';
import { OriginGate } from '../../src/replication/origin-gate.ts';

test('the first that waits is the scout, and stays it', () => {
  const gate = new OriginGate<string>();
  expect(gate.join('o', 'a')).toBe(true);
  expect(gate.join('o', 'b')).toBe(false);
  expect(gate.join('o', 'a')).toBe(true);
  expect(gate.join('other', 'c')).toBe(true);
});

test('when the scout leaves another takes over', () => {
  const gate = new OriginGate<string>();
  gate.join('o', 'a');
  gate.join('o', 'b');
  gate.join('o', 'c');
  expect(gate.leave('b')).toBeUndefined();
  expect(gate.leave('a')).toBe('c');
  expect(gate.leave('c')).toBeUndefined();
  expect(gate.leave('c')).toBeUndefined();
});

test('all go on when the origin answers', () => {
  const gate = new OriginGate<string>();
  gate.join('o', 'a');
  gate.join('o', 'b');
  expect(gate.release('o')).toEqual(['a', 'b']);
  expect(gate.release('o')).toEqual([]);
  expect(gate.join('o', 'b')).toBe(true);
});
