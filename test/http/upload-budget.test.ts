import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UploadBudget } from '../../src/http/upload-budget.ts';
import type { UploadLease } from '../../src/http/upload-budget.ts';

const MIB = 1024 * 1024;

/** A body that takes its parts one after the other, once it may go on, and then ends. */
class Body {
  readonly lease: UploadLease;
  readonly #parts: number[];
  state: 'new' | 'waiting' | 'active' | 'done' | 'refused' = 'new';

  constructor(budget: UploadBudget, parts: readonly number[]) {
    this.lease = budget.openLease();
    this.#parts = [...parts];
  }

  begin(): void {
    if (!this.#takeNext()) return;
    const mayGoOn = this.lease.mayProceed(() => {
      expect(this.state).toBe('waiting');
      this.state = 'active';
    });
    this.state = mayGoOn ? 'active' : 'waiting';
  }

  step(): void {
    if (this.state !== 'active') return;
    if (this.#parts.length === 0) this.#end('done');
    else this.#takeNext();
  }

  abort(): void {
    if (this.state === 'waiting' || this.state === 'active') this.#end('refused');
  }

  #takeNext(): boolean {
    if (this.lease.take(this.#parts.shift() ?? 0)) return true;
    this.#end('refused');
    return false;
  }

  #end(state: 'done' | 'refused'): void {
    this.state = state;
    this.lease.close();
    this.lease.close();
  }
}

const bodies = fc.array(fc.array(fc.nat(3 * MIB), { minLength: 1, maxLength: 5 }), {
  maxLength: 12,
});
const steps = fc.array(fc.tuple(fc.nat(11), fc.constantFrom('step', 'step', 'step', 'abort')), {
  maxLength: 120,
});

describe('upload budget', () => {
  test('never holds more than its limit, always lets somebody go on, and ends empty', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 12 }), bodies, steps, (limitMib, plans, schedule) => {
        const budget = new UploadBudget(limitMib * MIB);
        const all = plans.map((parts) => new Body(budget, parts));
        const check = (): void => {
          const { heldBytes, limitBytes, waiting } = budget.figures();
          const sum = all.reduce((bytes, body) => bytes + body.lease.heldBytes, 0);
          expect(heldBytes).toBe(sum);
          expect(heldBytes).toBeLessThanOrEqual(limitBytes);
          const waitingBodies = all.filter(({ state }) => state === 'waiting');
          expect(waiting).toBe(waitingBodies.length);
          if (waiting > 0) expect(all.some(({ state }) => state === 'active')).toBe(true);
        };
        for (const body of all) {
          body.begin();
          check();
        }
        for (const [index, action] of schedule) {
          all[index]?.[action === 'abort' ? 'abort' : 'step']();
          check();
        }
        while (all.some(({ state }) => state === 'active')) {
          for (const body of all) body.step();
          check();
        }
        expect(all.every(({ state }) => state === 'done' || state === 'refused')).toBe(true);
        expect(budget.figures()).toMatchObject({ heldBytes: 0, waiting: 0 });
      }),
    );
  });

  test('above the soft mark beginners wait in order and those under way go on', () => {
    const budget = new UploadBudget(8 * MIB);
    const first = budget.openLease();
    expect(first.take(5 * MIB)).toBe(true);
    expect(first.mayProceed(() => undefined)).toBe(true);
    expect(first.take(2 * MIB)).toBe(true);
    const order: string[] = [];
    const [a, b] = [budget.openLease(), budget.openLease()];
    expect(a.take(1)).toBe(true);
    expect(a.mayProceed(() => order.push('a'))).toBe(false);
    expect(b.take(1)).toBe(true);
    expect(b.mayProceed(() => order.push('b'))).toBe(false);
    expect(budget.figures()).toMatchObject({ waiting: 2, waitsTotal: 2 });
    first.give(2 * MIB);
    expect(order).toEqual(['a', 'b']);
    expect(budget.figures().waiting).toBe(0);
  });

  test('at the limit memory is refused and counted', () => {
    const budget = new UploadBudget(8 * MIB);
    const lease = budget.openLease();
    expect(lease.take(8 * MIB)).toBe(true);
    expect(budget.openLease().take(1)).toBe(false);
    expect(budget.figures().refusalsTotal).toBe(1);
    lease.close();
    expect(budget.figures().heldBytes).toBe(0);
    expect(lease.take(1)).toBe(false);
  });
});
