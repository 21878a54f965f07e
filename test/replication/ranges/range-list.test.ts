import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Position } from '../../../src/catalog/positions.ts';
import { newBackfill } from '../../../src/replication/ranges/backfill-service.ts';
import { isLeftBehind, stretchesOf } from '../../../src/replication/ranges/fresh-first.ts';
import { decodeRange, encodeRange } from '../../../src/replication/ranges/range-codec.ts';
import {
  MAX_BACKLOG_SEGMENTS,
  MAX_FINISHED_BACKFILLS,
  TaskRanges,
} from '../../../src/replication/ranges/range-list.ts';
import { type StoredRange, WHOLE_SCOPE } from '../../../src/replication/ranges/range.ts';
import type { LogGap } from '../../../src/replication/types.ts';

function at(sequence: number): Position {
  return { partition: 0, sequence, bucketOrdinal: sequence };
}

/** One record a sequence. What is sent goes out before anything of it is stored, and a crash falls back on what is. */
class Model {
  ranges = new TaskRanges();
  position = 0;
  head = 0;
  readonly sent = new Set<number>();
  /** What may never be missing: all records from the moment of creation on, and those of back-fills. */
  readonly owed = new Set<number>();
  #storedPosition = 0;
  #rows = new Map<number, Buffer>();

  constructor(written: number) {
    this.head = written;
    this.position = written;
    this.#storedPosition = written;
  }

  write(count: number): void {
    for (let i = 0; i < count; i++) this.owed.add(this.head++);
  }

  sendLive(count: number): void {
    const to = Math.min(this.head, this.position + count);
    for (let i = this.position; i < to; i++) this.sent.add(i);
    this.position = to;
  }

  /** @param isAnswered false: everything arrived, nobody knows. */
  sendRange(count: number, isAnswered: boolean): void {
    const range = this.ranges.next();
    if (range === undefined) return;
    const { position, end } = range.stored;
    const to = Math.min(end.sequence, position.sequence + count);
    for (let i = position.sequence; i < to; i++) this.sent.add(i);
    if (isAnswered) this.ranges.change(range, { position: at(to) }, 1);
  }

  jump(): void {
    const from = at(this.position);
    const end = at(this.head);
    this.ranges.leaveBehind({
      bucketId: 1,
      from,
      end,
      filterState: null,
      resendSequence: 0,
      nowMs: 1,
    });
    this.position = this.head;
  }

  backfill(): void {
    const range = newBackfill(this.ranges.takeId(), 1, WHOLE_SCOPE, at(this.position));
    this.ranges.change(this.ranges.add(range), { isPlanned: true }, 1);
    // Once it is durable.
    this.save(true);
    for (let i = 0; i < this.position; i++) this.owed.add(i);
  }

  save(succeeds: boolean): void {
    const changes = this.ranges.takeUnsaved();
    if (!succeeds) return this.ranges.markUnsaved(changes);
    this.#storedPosition = this.position;
    for (const { id, range } of changes) {
      if (range === null) this.#rows.delete(id);
      else this.#rows.set(id, encodeRange(range));
    }
  }

  crash(): void {
    this.position = this.#storedPosition;
    const rows = [...this.#rows].toSorted(([a], [b]) => a - b).map(([, row]) => decodeRange(row));
    this.ranges = new TaskRanges(rows, 5);
  }

  drain(): void {
    this.sendLive(Number.POSITIVE_INFINITY);
    while (this.ranges.next() !== undefined) this.sendRange(100, true);
  }
}

type Step =
  | { readonly kind: 'write' | 'live' | 'range' | 'lost'; readonly count: number }
  | { readonly kind: 'jump' | 'backfill' | 'save' | 'failed-save' | 'crash' };

const counted = fc.record({
  kind: fc.constantFrom('write' as const, 'live' as const, 'range' as const, 'lost' as const),
  count: fc.integer({ min: 1, max: 20 }),
});
const plain = fc.record({
  kind: fc.constantFrom(
    'jump' as const,
    'jump' as const,
    'backfill' as const,
    'save' as const,
    'failed-save' as const,
    'crash' as const,
  ),
});

function take(model: Model, step: Step): void {
  switch (step.kind) {
    case 'write':
      return model.write(step.count);
    case 'live':
      return model.sendLive(step.count);
    case 'range':
      return model.sendRange(step.count, true);
    case 'lost':
      return model.sendRange(step.count, false);
    case 'jump':
      return model.jump();
    case 'backfill':
      return model.backfill();
    case 'save':
      return model.save(true);
    case 'failed-save':
      return model.save(false);
    case 'crash':
      return model.crash();
  }
}

test('whatever happens, every record is sent at least once and none is skipped', () => {
  const steps = fc.array(fc.oneof<[fc.Arbitrary<Step>, fc.Arbitrary<Step>]>(counted, plain), {
    maxLength: 150,
    size: 'max',
  });
  fc.assert(
    fc.property(fc.nat({ max: 50 }), steps, (written, history) => {
      const model = new Model(written);
      for (const step of history) {
        take(model, step);
        expect(model.ranges.backlog().length).toBeLessThanOrEqual(MAX_BACKLOG_SEGMENTS);
      }
      model.drain();
      expect([...model.owed].filter((record) => !model.sent.has(record))).toEqual([]);
      // And what is stored at the end says so, too.
      model.save(true);
      model.crash();
      expect(model.ranges.next()).toBeUndefined();
      expect(model.position).toBe(model.head);
    }),
    { numRuns: 500 },
  );
});

describe('segments that the live cursor leaves behind', () => {
  test('come newest first, each from its oldest record on', () => {
    const model = new Model(0);
    for (let i = 0; i < 3; i++) {
      model.write(10);
      model.jump();
    }
    const order: number[] = [];
    for (let range = model.ranges.next(); range !== undefined; range = model.ranges.next()) {
      order.push(range.stored.position.sequence);
      model.sendRange(5, true);
    }
    expect(order).toEqual([20, 25, 10, 15, 0, 5]);
  });

  test('are merged where nothing has to be sent twice, smallest neighbours first', () => {
    const ranges = new TaskRanges();
    const lengths = [100, 100, 1, 2, ...Array<number>(MAX_BACKLOG_SEGMENTS - 3).fill(100)];
    let from = 0;
    for (const length of lengths) {
      const end = at(from + length);
      ranges.leaveBehind({
        bucketId: 1,
        from: at(from),
        end,
        filterState: null,
        resendSequence: 0,
        nowMs: 1,
      });
      from += length;
    }
    const spans = ranges
      .backlog()
      .map(({ stored }) => [stored.position.sequence, stored.end.sequence]);
    expect(spans).toHaveLength(MAX_BACKLOG_SEGMENTS);
    expect(spans[2]).toEqual([200, 203]);
  });

  test('are rows that are removed when they are done', () => {
    const model = new Model(0);
    model.write(3);
    model.jump();
    model.save(true);
    model.sendRange(3, true);
    expect(model.ranges.takeUnsaved()).toEqual([{ id: 1, range: null }]);
  });
});

describe('back-fills', () => {
  test('are remembered when they are finished, up to a number, and their ids never come again', () => {
    const ranges = new TaskRanges();
    for (let i = 0; i < 3 * MAX_FINISHED_BACKFILLS; i++) {
      const nextId = ranges.takeId();
      const range = ranges.add(newBackfill(nextId, 1, WHOLE_SCOPE, at(5)));
      ranges.change(range, { state: 'cancelled' }, 7);
      expect(nextId).toBe(i + 1);
    }
    expect(ranges.backfills()).toHaveLength(MAX_FINISHED_BACKFILLS);
    expect(ranges.backfills()[0]?.stored).toMatchObject({ finishedAtMs: 7, state: 'cancelled' });
    const restarted = new TaskRanges(ranges.all().map(({ stored }) => stored));
    expect(restarted.takeId()).toBe(3 * MAX_FINISHED_BACKFILLS + 1);
  });

  test('fail with the reason when what they are about is gone; finished ones stay what they are', () => {
    const ranges = new TaskRanges();
    const done = ranges.add(newBackfill(1, 1, WHOLE_SCOPE, at(5)));
    ranges.change(done, { isPlanned: true, position: at(5) }, 1);
    ranges.add(newBackfill(2, 1, WHOLE_SCOPE, at(5)));
    const from = at(5);
    ranges.leaveBehind({
      bucketId: 1,
      from,
      end: at(6),
      filterState: null,
      resendSequence: 0,
      nowMs: 1,
    });
    const rows = ranges.abandonedRows('gone', 2);
    expect(rows.map(({ id, range }) => [id, range?.state])).toEqual([
      [1, 'done'],
      [2, 'failed'],
      [3, undefined],
    ]);
    expect(ranges.next()?.stored.id).toBe(3);
    ranges.abandon('gone', 2);
    expect(ranges.next()).toBeUndefined();
    expect(ranges.backfill(2)?.stored).toMatchObject({ state: 'failed', reason: 'gone' });
  });

  test('that are paused at their end are done when they go on', () => {
    const ranges = new TaskRanges();
    const range = ranges.add(newBackfill(1, 1, WHOLE_SCOPE, at(5)));
    ranges.change(range, { isPlanned: true, state: 'paused' }, 1);
    ranges.change(range, { position: at(5) }, 1);
    expect(range.stored.state).toBe('paused');
    ranges.change(range, { state: 'running' }, 1);
    expect(range.stored.state).toBe('done');
  });
});

test('a row of a range is read as it was written', () => {
  const range: StoredRange = {
    ...newBackfill(
      3,
      2,
      { startUs: 2n ** 60n, stopUs: null, entries: ['a*'] },
      { partition: 0, sequence: 9, bucketOrdinal: 8 },
    ),
    filterState: {
      sampling: { seenByEntry: new Map([[1, 2]]), lastPassedUsByEntry: new Map([[1, 2n]]) },
      condition: new Map(),
    },
  };
  expect(decodeRange(encodeRange(range))).toEqual(range);
  expect(encodeRange(range).subarray(0, 12).toString('latin1')).toBe('\u0001{"id":3,"ki');
});

describe('the live cursor', () => {
  const limits = { lagMs: 5_000, records: 100 };

  test('leaves behind what is old or much', () => {
    const place = { position: at(0), gaps: [] };
    expect(isLeftBehind(place, at(99), 4_999, limits)).toBe(false);
    expect(isLeftBehind(place, at(100), 0, limits)).toBe(true);
    expect(isLeftBehind(place, at(1), 5_000, limits)).toBe(true);
    expect(isLeftBehind({ position: at(1), gaps: [] }, at(1), 9_000, limits)).toBe(false);
  });

  test('leaves out what is not for the task', () => {
    const gaps: LogGap[] = [
      { from: at(10), resume: at(20) },
      { from: at(20), resume: at(30) },
      { from: at(40), resume: null },
    ];
    const stretches = stretchesOf({ position: at(5), gaps }, at(50));
    expect(stretches.map(({ from, end }) => [from.sequence, end.sequence])).toEqual([
      [5, 10],
      [30, 40],
    ]);
    const closed = stretchesOf({ position: at(5), gaps: gaps.slice(0, 1) }, at(50));
    expect(closed.map(({ from, end }) => [from.sequence, end.sequence])).toEqual([
      [5, 10],
      [20, 50],
    ]);
  });
});
