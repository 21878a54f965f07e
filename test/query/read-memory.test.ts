import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { HeldAnswer } from '../../src/query/read-memory.ts';
import { ReadMemory } from '../../src/query/read-memory.ts';

const LIMIT = 1000;
const TIMEOUT_MS = 60_000;

interface Fixture {
  readonly memory: ReadMemory;
  readonly clock: { ms: number };
  readonly dropped: string[];
  readonly hold: (name: string, bytes: number) => HeldAnswer;
}

function fixture(): Fixture {
  const clock = { ms: 0 };
  const dropped: string[] = [];
  const memory = new ReadMemory({
    limitBytes: LIMIT,
    timeoutMs: TIMEOUT_MS,
    nowMs: () => clock.ms,
  });
  const hold = (name: string, bytes: number): HeldAnswer =>
    memory.hold(bytes, () => dropped.push(name));
  return { memory, clock, dropped, hold };
}

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol('open');
  const first = await Promise.race([promise.catch(() => 'refused'), Promise.resolve(open)]);
  return first !== open;
}

describe('memory for reads', () => {
  test('a read runs at once while everything fits below the soft mark', async () => {
    const { memory } = fixture();
    const releases = await Promise.all([memory.reserve(375), memory.reserve(375)]);
    expect(memory.figures()).toMatchObject({ waiting: 0, waitsTotal: 0 });
    for (const release of releases) release();
  });

  test('a read that is alone runs whatever it may need', async () => {
    const { memory } = fixture();
    (await memory.reserve(10 * LIMIT))();
    expect(memory.figures().waitsTotal).toBe(0);
  });

  test('reads wait in order for room that answers hold, and get it when these end', async () => {
    const { memory, hold } = fixture();
    const answer = hold('a', 700);
    const first = memory.reserve(100);
    const second = memory.reserve(10);
    expect(await isSettled(first)).toBe(false);
    // It would fit, but nobody overtakes.
    expect(await isSettled(second)).toBe(false);
    answer.close();
    answer.close();
    (await first)();
    (await second)();
    expect(memory.figures()).toMatchObject({
      heldBytes: 0,
      waiting: 0,
      waitsTotal: 2,
      dropsTotal: 0,
    });
  });

  test('while reads wait, clients that take nothing are dropped, and no others', async () => {
    const { memory, clock, dropped, hold } = fixture();
    const slow = hold('slow', 300);
    hold('still', 300);
    const waiting = memory.reserve(300);
    clock.ms = 4_000;
    slow.progressed();
    memory.sweep();
    expect(dropped).toEqual([]);
    clock.ms = 6_000;
    memory.sweep();
    expect(dropped).toEqual(['still']);
    (await waiting)();
    clock.ms = 60_000;
    memory.sweep();
    // Nobody waits any more, so it may take its time.
    expect(dropped).toEqual(['still']);
    expect(memory.figures()).toMatchObject({ heldBytes: 300, dropsTotal: 1 });
  });

  test('a read that waits too long is refused as unavailable', async () => {
    const { memory, clock, hold } = fixture();
    const answer = hold('a', 700);
    const waiting = memory.reserve(300);
    clock.ms = TIMEOUT_MS;
    answer.progressed();
    memory.sweep();
    await expect(waiting).rejects.toMatchObject({ status: 503 });
    expect(memory.figures()).toMatchObject({ waiting: 0, refusalsTotal: 1, dropsTotal: 0 });
  });

  test('beyond the limit the answer that stands longest is dropped, never the newest', () => {
    const { dropped, hold } = fixture();
    hold('a', 400);
    const b = hold('b', 400);
    hold('c', 100);
    b.progressed();
    hold('d', 700);
    expect(dropped).toEqual(['a', 'c', 'b']);
    hold('huge', 5 * LIMIT);
    expect(dropped).toEqual(['a', 'c', 'b', 'd']);
  });

  test('a stop refuses what waits', async () => {
    const { memory, hold } = fixture();
    hold('a', 900);
    const waiting = memory.reserve(900);
    memory.stop();
    await expect(waiting).rejects.toMatchObject({ status: 503 });
  });

  test('whatever happens, what is held stays within the limit and every read gets its turn', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('hold' as const), bytes: fc.integer({ min: 1, max: 400 }) }),
      fc.record({ kind: fc.constant('close' as const), at: fc.nat() }),
      fc.record({ kind: fc.constant('progress' as const), at: fc.nat() }),
      fc.record({ kind: fc.constant('read' as const), bytes: fc.integer({ min: 1, max: 400 }) }),
      fc.record({ kind: fc.constant('tick' as const), ms: fc.integer({ min: 0, max: 8_000 }) }),
    );
    const property = fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { memory, clock, hold } = fixture();
      const answers: HeldAnswer[] = [];
      const reads: Promise<void>[] = [];
      for (const next of steps) {
        if (next.kind === 'hold') answers.push(hold('x', next.bytes));
        else if (next.kind === 'close') answers[next.at % answers.length]?.close();
        else if (next.kind === 'progress') answers[next.at % answers.length]?.progressed();
        else if (next.kind === 'read') reads.push(memory.reserve(next.bytes).then((end) => end()));
        else {
          clock.ms += next.ms;
          memory.sweep();
        }
        await Promise.resolve();
        expect(memory.figures().heldBytes).toBeLessThanOrEqual(LIMIT);
      }
      for (const answer of answers) answer.close();
      // Refused ones have had their answer, too.
      await Promise.allSettled(reads);
      expect(memory.figures()).toMatchObject({ heldBytes: 0, waiting: 0 });
    });
    await fc.assert(property);
  });
});
