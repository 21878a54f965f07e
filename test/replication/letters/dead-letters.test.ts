import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LetterSelection } from '../../../src/replication/letters/letter.ts';
import { EngineFixture, MAX_LETTERS, until } from '../../lib/engine-fixture.ts';
import { FakeTarget } from '../../lib/fake-target.ts';

const ALL: LetterSelection = { kind: 'all' };

let fixture: EngineFixture;
let target: FakeTarget;
/** What the target says about records of these timestamps. */
let refusals: Map<bigint, string>;

beforeEach(async () => {
  fixture = await EngineFixture.open();
  target = new FakeTarget();
  refusals = new Map();
  target.faultOf = () => ({ kind: 'records', errorOf: (ts) => refusals.get(ts) });
  await target.start();
  await fixture.create('t', target.url);
});

afterEach(async () => {
  await fixture.close();
  await target.stop();
});

interface Page {
  readonly dead_letters: readonly Record<string, unknown>[];
  readonly next: number | null;
  readonly total: number;
  readonly queued: number;
}

async function list(afterId = 0, limit = 100, entryName?: string): Promise<Page> {
  const request = { afterId, limit, entryName };
  return JSON.parse(await fixture.service.deadLetters.list('t', request)) as Page;
}

async function counts(): Promise<Record<string, unknown>> {
  return (await fixture.detail('t', true)).extended.dead_letter_counts;
}

function stored(place = 'dst/e'): number[] {
  return target.recordsOf(place).map(({ ts }) => Number(ts));
}

/** Writes records and waits until the target has refused those of `refused`. */
async function refuse(entryName: string, timestamps: number[], refused: number[]): Promise<void> {
  const { total } = await list();
  for (const ts of refused) refusals.set(BigInt(ts), '422,bad record');
  fixture.write(entryName, timestamps);
  const expected = Math.min(MAX_LETTERS, total + refused.length);
  await until(async () => (await fixture.pending('t')) === 0 && (await list()).total === expected);
}

describe('the list', () => {
  test('shows what was refused, why, and whether the source still has it', async () => {
    await refuse('e', [1, 2, 3], [2]);
    const page = await list();
    expect(page).toMatchObject({ next: null, total: 1, queued: 0 });
    expect(page.dead_letters).toEqual([
      {
        id: expect.any(Number),
        entry: 'e',
        ts: 2,
        kind: 'write',
        reason: 'refused',
        status: 422,
        message: 'bad record',
        size: 3,
        refused_at: expect.stringMatching(/^\d{4}-.*Z$/),
        attempts: 1,
        queued: false,
        is_at_source: true,
      },
    ]);
    expect((await fixture.detail('t', true)).extended.dead_letters).toBe(1);
    expect(stored()).toEqual([1, 3]);
  });

  test('comes in pages, and for one entry, under the name that it has now', async () => {
    await refuse('a', [1, 2, 3], [1, 2, 3]);
    await refuse('b', [4, 5], [4, 5]);
    const first = await list(0, 2);
    expect(first.dead_letters.map(({ ts }) => ts)).toEqual([1, 2]);
    const second = await list(first.next ?? 0, 2);
    expect(second.dead_letters.map(({ ts }) => ts)).toEqual([3, 4]);
    const third = await list(second.next ?? 0, 2);
    expect(third.dead_letters.map(({ ts }) => ts)).toEqual([5]);
    expect(third.next).toBeNull();
    const bucket = fixture.buckets.get('src');
    bucket?.entries.set(fixture.entryId('src', 'b'), 'renamed');
    fixture.service.entriesRenamed('src');
    const renamed = await list(0, 1, 'renamed');
    expect(renamed.dead_letters).toMatchObject([{ entry: 'renamed', ts: 4 }]);
    expect(await list(renamed.next ?? 0, 1, 'renamed')).toMatchObject({ next: null });
    expect((await list(0, 10, 'b')).dead_letters).toEqual([]);
  });

  test('is bounded: the oldest are given up and counted', async () => {
    const timestamps = Array.from({ length: MAX_LETTERS + 5 }, (_, at) => at);
    await refuse('e', timestamps, timestamps);
    const page = await list();
    expect(page.dead_letters.map(({ ts }) => ts)).toEqual(timestamps.slice(5));
    expect(await counts()).toMatchObject({ added: MAX_LETTERS + 5, aged_out: 5 });
  });

  test('of a task that does not exist is 404', async () => {
    await expect(
      fixture.service.deadLetters.list('x', { afterId: 0, limit: 1, entryName: undefined }),
    ).rejects.toMatchObject({ status: 404 });
    await expect(fixture.service.deadLetters.retry('x', ALL)).rejects.toMatchObject({
      status: 404,
    });
    await expect(fixture.service.deadLetters.discard('x', ALL)).rejects.toMatchObject({
      status: 404,
    });
  });
});

describe('sending again', () => {
  test('delivers what the target accepts now and takes it off the list', async () => {
    await refuse('e', [1, 2, 3, 4], [2, 4]);
    refusals.delete(2n);
    expect(await fixture.service.deadLetters.retry('t', ALL)).toBe(2);
    await until(async () => (await list()).queued === 0);
    const page = await list();
    expect(page.dead_letters).toMatchObject([{ ts: 4, attempts: 2, queued: false }]);
    expect(stored()).toEqual([1, 3, 2]);
    expect(target.recordsOf('dst/e').at(-1)?.payload.toString()).toBe('e@2');
    expect(await counts()).toMatchObject({ delivered: 1, refused_again: 1, queued: 0 });
  });

  test('takes only what was asked for, by id or by entry', async () => {
    await refuse('a', [1, 2], [1, 2]);
    await refuse('b', [3, 4], [3, 4]);
    refusals.clear();
    const [first] = (await list()).dead_letters;
    const ids = [Number(first?.['id']), 12345];
    expect(await fixture.service.deadLetters.retry('t', { kind: 'ids', ids })).toBe(1);
    await until(async () => (await list()).total === 3);
    expect(stored('dst/a')).toEqual([1]);
    const entry: LetterSelection = { kind: 'entry', entryName: 'b' };
    expect(await fixture.service.deadLetters.retry('t', entry)).toBe(2);
    await until(async () => (await list()).total === 1);
    expect(stored('dst/b')).toEqual([3, 4]);
  });

  test('waits for a target that fails, beside live records, and survives a restart', async () => {
    await refuse('e', [1, 2], [2]);
    refusals.set(2n, '503,later');
    await fixture.service.deadLetters.retry('t', ALL);
    fixture.write('e', [10]);
    await until(() => stored().includes(10));
    expect((await list()).dead_letters).toMatchObject([{ ts: 2, queued: true, attempts: 1 }]);
    await fixture.restart();
    expect((await list()).queued).toBe(1);
    refusals.clear();
    await until(async () => (await list()).total === 0);
    expect(stored()).toEqual([1, 10, 2]);
  });

  test('waits until a paused task sends', async () => {
    await refuse('e', [1], [1]);
    refusals.clear();
    await fixture.service.setMode('t', '{"mode":"paused"}');
    await fixture.service.deadLetters.retry('t', ALL);
    fixture.write('e', [2]);
    expect(await list()).toMatchObject({ total: 1, queued: 1 });
    await fixture.service.setMode('t', '{"mode":"enabled"}');
    await until(async () => (await list()).total === 0 && stored().length === 2);
    expect(stored().toSorted((a, b) => a - b)).toEqual([1, 2]);
  });

  test('counts a record that the source has no more, and forgets it', async () => {
    const sequence = fixture.log.headSequence;
    await refuse('e', [1], [1]);
    await refuse('f', [2], [2]);
    fixture.log.removeBlock(sequence);
    fixture.buckets.get('src')?.entries.delete(fixture.entryId('src', 'f'));
    refusals.clear();
    expect((await list()).dead_letters.map((letter) => letter['is_at_source'])).toEqual([
      false,
      false,
    ]);
    await fixture.service.deadLetters.retry('t', ALL);
    await until(async () => (await list()).total === 0);
    expect(await counts()).toMatchObject({
      gone: { record_removed: 1, entry_removed: 1 },
      delivered: 0,
    });
    expect(stored()).toEqual([]);
  });

  test('finds a conflict again, until the other record is gone from the target', async () => {
    target.stored.set('dst/e', [
      { ts: 1n, payload: Buffer.from('other'), contentType: '', labels: new Map() },
    ]);
    fixture.write('e', [1]);
    await until(async () => (await list()).total === 1);
    await fixture.service.deadLetters.retry('t', ALL);
    await until(async () => (await list()).dead_letters[0]?.['attempts'] === 2);
    expect((await list()).dead_letters).toMatchObject([
      { reason: 'conflict', status: 409, attempts: 2 },
    ]);
    target.stored.clear();
    await fixture.service.deadLetters.retry('t', ALL);
    await until(async () => (await list()).total === 0);
    expect(target.recordsOf('dst/e')[0]?.payload.toString()).toBe('e@1');
  });

  test('ends with the task, and its rows go with it', async () => {
    await refuse('e', [1, 2], [1, 2]);
    refusals.set(1n, '503,later');
    await fixture.service.deadLetters.retry('t', ALL);
    await fixture.service.remove('t');
    fixture.store.reopenLetters();
    expect(fixture.store.letters.figures(1)).toMatchObject({ current: 0, queued: 0 });
  });
});

describe('giving up', () => {
  test('takes letters off the list, counted, without sending anything', async () => {
    await refuse('a', [1, 2], [1, 2]);
    await refuse('b', [3], [3]);
    const requests = target.requests.length;
    const [first] = (await list()).dead_letters;
    const ids = [Number(first?.['id'])];
    const { deadLetters } = fixture.service;
    expect(await deadLetters.discard('t', { kind: 'ids', ids })).toBe(1);
    expect(await deadLetters.discard('t', { kind: 'ids', ids })).toBe(0);
    expect(await deadLetters.discard('t', { kind: 'entry', entryName: 'b' })).toBe(1);
    expect((await list()).dead_letters).toMatchObject([{ entry: 'a', ts: 2 }]);
    expect(await deadLetters.discard('t', ALL)).toBe(1);
    expect(await counts()).toMatchObject({ discarded: 3, delivered: 0 });
    expect(target.requests).toHaveLength(requests);
    fixture.store.reopenLetters();
    expect(fixture.store.letters.figures(1).current).toBe(0);
  });

  test('that cannot be stored changes nothing', async () => {
    await refuse('e', [1, 2], [1, 2]);
    fixture.store.failure = new Error('disk full');
    const { deadLetters } = fixture.service;
    await expect(deadLetters.discard('t', ALL)).rejects.toThrow('disk full');
    await expect(deadLetters.retry('t', ALL)).rejects.toThrow('disk full');
    fixture.store.failure = null;
    expect(await list()).toMatchObject({ total: 2, queued: 0 });
    expect(await deadLetters.discard('t', ALL)).toBe(2);
  });
});
