import { expect, test } from 'vitest';
import { WriterGate } from '../../src/limits/writer-gate.ts';

test('places go to those who wait in the order they came, behind the turn in which they are free', async () => {
  const gate = new WriterGate(1);
  const admitted: string[] = [];
  const waiter = (name: string): { onAdmitted(): void } => ({
    onAdmitted: () => admitted.push(name),
  });
  expect(gate.tryEnter()).toBe(true);
  expect(gate.tryEnter()).toBe(false);
  const second = waiter('second');
  gate.wait(waiter('first'));
  gate.wait(second);
  gate.wait(waiter('third'));
  expect(gate.cancel(second)).toBe(true);
  gate.leave();
  expect(admitted).toEqual([]);
  expect(gate.tryEnter(), 'the place is taken already').toBe(false);
  await Promise.resolve();
  expect(admitted).toEqual(['first']);
  gate.leave();
  await Promise.resolve();
  expect(admitted).toEqual(['first', 'third']);
  expect(gate.writers).toBe(1);
  gate.leave();
  expect(gate.writers).toBe(0);
  expect(gate.tryEnter()).toBe(true);
});

test('one that is about to be admitted does not wait any more', () => {
  const gate = new WriterGate(1);
  gate.tryEnter();
  const waiter = { onAdmitted: () => gate.leave() };
  gate.wait(waiter);
  gate.leave();
  expect(gate.cancel(waiter)).toBe(false);
  expect(gate.writers).toBe(1);
});
