import { expect, test } from 'vitest';
import { Lanes } from '../../../src/replication/transfer/lanes.ts';

test('hands out one item of an entry at a time, in order, and entries in turn', () => {
  const lanes = new Lanes<string>();
  lanes.push(1, 'a1');
  lanes.push(1, 'a2');
  lanes.push(2, 'b1');
  expect([lanes.take(), lanes.take(), lanes.take()]).toEqual(['a1', 'b1', undefined]);
  lanes.done(1);
  expect(lanes.take()).toBe('a2');
  lanes.done(2);
  lanes.done(1);
  expect(lanes.take()).toBeUndefined();
});

test('takes back the newest items as if they had never been there', () => {
  const lanes = new Lanes<string>();
  lanes.push(1, 'a1');
  lanes.push(1, 'a2');
  lanes.push(2, 'b1');
  lanes.unpush(2);
  lanes.unpush(1);
  expect([lanes.take(), lanes.take()]).toEqual(['a1', undefined]);
  lanes.done(1);
  expect(lanes.take()).toBeUndefined();
});
