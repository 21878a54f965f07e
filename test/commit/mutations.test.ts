import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Entry } from '../../src/catalog/model.ts';
import { RingReader } from '../../src/ring/reader.ts';
import { writtenLabelsOfMeta } from '../../src/store/record-meta.ts';
import { readBlock, runsFrom } from '../../src/store/run-index.ts';
import type { StoreHarness } from '../lib/store-harness.ts';
import { openHarness, TEST_SETTINGS } from '../lib/store-harness.ts';
import { withTempDir } from '../lib/temp-dir.ts';

type Model = Map<bigint, { readonly text: string; readonly label: string }>;

function readAll(store: StoreHarness, entry: Entry): [bigint, string, string][] {
  return runsFrom(store.db, entry.id, 0n, 100_000).flatMap((run) => {
    const block = readBlock(store.db, run.sequence);
    if (block === undefined) throw new Error(`block ${run.sequence} is missing`);
    return Array.from({ length: run.count }, (_, i): [bigint, string, string] => {
      const at = run.startIndex + i;
      return [block.ts(at), block.payload(at).toString(), block.metaOf(at).labels[1] ?? ''];
    });
  });
}

const ts = fc.bigInt({ min: 0n, max: 40n });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ write: fc.array(ts, { minLength: 1, maxLength: 10 }) }) },
  { weight: 2, arbitrary: fc.record({ update: fc.array(ts, { minLength: 1, maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ remove: fc.array(ts, { minLength: 1, maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ bulk: fc.array(ts, { minLength: 1, maxLength: 12 }) }) },
  { weight: 1, arbitrary: fc.record({ range: fc.tuple(ts, ts) }) },
  { weight: 1, arbitrary: fc.record({ slices: fc.tuple(ts, ts) }) },
  { weight: 1, arbitrary: fc.constant({ restart: true as const }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function applyStep(store: StoreHarness, model: Model, action: Step): Promise<void> {
  const entry = store.catalog.entryForWrite('b', 'e');
  if ('write' in action) {
    await Promise.all(
      action.write.map(async (at) => {
        const expected = !model.has(at);
        if (expected) model.set(at, { text: `t${model.size}-${at}`, label: 'new' });
        const text = model.get(at)?.text ?? '';
        const error = await store.write(entry, at, Buffer.from(text), ['state', 'new']);
        expect(error === null).toBe(expected);
      }),
    );
    return;
  }
  if (!entry.isDurable) return;
  if ('update' in action) {
    await store.commits.mutate((session) => {
      for (const at of action.update) {
        const found = session.find(entry, at);
        expect(found !== undefined).toBe(model.has(at));
        if (found !== undefined) session.replaceLabels(entry, found, ['state', `u${at}`]);
        if (found !== undefined) {
          expect(session.metaOf(found).labels).toEqual(['state', `u${at}`]);
        }
      }
    });
    for (const at of action.update) {
      const known = model.get(at);
      if (known !== undefined) model.set(at, { ...known, label: `u${at}` });
    }
  } else if ('remove' in action) {
    await store.commits.mutate((session) => {
      for (const at of new Set(action.remove)) {
        const found = session.find(entry, at);
        if (found !== undefined) session.remove(entry, found);
        expect(session.find(entry, at)).toBeUndefined();
      }
    });
    for (const at of action.remove) model.delete(at);
  } else if ('bulk' in action) {
    const sorted = [...new Set(action.bulk)].sort((a, b) => (a < b ? -1 : 1));
    await store.commits.mutate((session) => {
      const removed = session.removeRecords(entry, sorted);
      expect([...removed].map(Boolean)).toEqual(sorted.map((at) => model.has(at)));
    });
    for (const at of sorted) model.delete(at);
  } else if ('slices' in action) {
    const [from, to] = action.slices;
    let next: bigint | undefined = from;
    let removed = 0;
    while (next !== undefined) {
      const slice = next;
      await store.commits.mutate((session) => {
        const done = session.removeSlice(entry, slice, to, slice !== from, 2);
        removed += done.removed;
        next = done.nextTs;
      });
    }
    const gone = [...model.keys()].filter((at) => at >= from && at < to);
    expect(removed).toBe(gone.length);
    for (const at of gone) model.delete(at);
  } else if ('range' in action) {
    const [from, to] = action.range;
    let removed = 0;
    await store.commits.mutate((session) => {
      removed = session.removeRange(entry, from, to);
    });
    const gone = [...model.keys()].filter((at) => at >= from && at < to);
    expect(removed).toBe(gone.length);
    for (const at of gone) model.delete(at);
  }
}

test('any history of writes, label updates, removals and restarts agrees with a map in memory', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      await withTempDir(async (path) => {
        let store = await openHarness(path);
        await store.catalog.createBucket('b', { ...TEST_SETTINGS, max_block_records: 6 });
        const model: Model = new Map();
        for (const action of steps) {
          if ('restart' in action) {
            await store.close();
            store = await openHarness(path);
          } else {
            await applyStep(store, model, action);
          }
        }
        const entry = store.catalog.bucket('b').entries.get('e');
        if (entry !== undefined) {
          const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
          expect(readAll(store, entry)).toEqual(
            sorted.map(([at, { text, label }]) => [at, text, label]),
          );
          const { stats } = entry;
          expect(stats.recordCount).toBe(sorted.length);
          const runs = runsFrom(store.db, entry.id, 0n, 100_000);
          expect(stats.sizeBytes).toBe(runs.reduce((sum, run) => sum + run.sizeBytes, 0));
          expect(entry.bucket.sizeBytes).toBe(stats.sizeBytes);
          expect(stats.oldestTs).toBe(sorted[0]?.[0] ?? 0n);
          expect(stats.latestTs).toBe(sorted.at(-1)?.[0] ?? 0n);
          expect(stats.extentCount === 0).toBe(sorted.length === 0);
          if (sorted.length === 0) expect(stats.sizeBytes).toBe(0);
        }
        await store.close();
      });
    }),
    { numRuns: 80 },
  );
});

test('when the last record of a block is removed, the block goes too', async () => {
  await withTempDir(async (path) => {
    const store = await openHarness(path);
    await store.catalog.createBucket('b', TEST_SETTINGS);
    const target = store.catalog.entryForWrite('b', 'e');
    await Promise.all([1n, 2n, 3n].map((at) => store.write(target, at, Buffer.from('x'))));
    const entry = store.catalog.entry('b', 'e');
    const [run] = runsFrom(store.db, entry.id, 0n, 1);
    for (const at of [2n, 1n, 3n]) {
      expect(readBlock(store.db, run?.sequence ?? 0)).toBeDefined();
      await store.commits.mutate((session) => {
        const found = session.find(entry, at);
        if (found !== undefined) session.remove(entry, found);
      });
    }
    expect(readBlock(store.db, run?.sequence ?? 0)).toBeUndefined();
    await store.close();
  });
});

test('the ring does not hand out records that were removed', async () => {
  await withTempDir(async (path) => {
    const store = await openHarness(path);
    await store.catalog.createBucket('b', TEST_SETTINGS);
    const target = store.catalog.entryForWrite('b', 'e');
    await Promise.all([1n, 2n].map((at) => store.write(target, at, Buffer.from('secret'))));
    const entry = store.catalog.entry('b', 'e');
    const [run] = runsFrom(store.db, entry.id, 0n, 1);
    const reader = new RingReader(store.ring.buffer);
    const allocate = (bytes: number): Buffer => Buffer.allocUnsafe(bytes);
    expect(reader.read(run?.sequence ?? 0, entry.bucket.id, allocate)).toBeInstanceOf(Buffer);
    await store.commits.mutate((session) => {
      const found = session.find(entry, 1n);
      if (found !== undefined) session.remove(entry, found);
    });
    expect(reader.read(run?.sequence ?? 0, entry.bucket.id, allocate)).toBe('in-store');
    await store.close();
  });
});

test('a record keeps the labels it was written with while somebody has still to read its block', async () => {
  await withTempDir(async (path) => {
    const store = await openHarness(path);
    await store.catalog.createBucket('b', TEST_SETTINGS);
    const target = store.catalog.entryForWrite('b', 'e');
    await store.write(target, 7n, Buffer.from('x'), ['state', 'new']);
    const entry = store.catalog.entry('b', 'e');
    const [run] = runsFrom(store.db, entry.id, 0n, 1);
    const sequence = run?.sequence ?? 0;
    const relabel = (...states: string[]): Promise<unknown> =>
      store.commits.mutate((session) => {
        for (const state of states) {
          const found = session.find(entry, 7n);
          if (found !== undefined) session.replaceLabels(entry, found, ['state', state]);
        }
      });
    const stored = (): unknown => {
      const block = readBlock(store.db, sequence);
      return [block?.metaOf(0).labels[1], block && writtenLabelsOfMeta(block.metaBytes(0))?.[1]];
    };
    let neededFrom = sequence;
    store.commits.addListener({ onCommitted: () => {}, neededFrom: () => neededFrom });
    await relabel('a', 'b');
    expect(stored()).toEqual(['b', 'new']);
    await relabel('c');
    expect(stored()).toEqual(['c', 'new']);
    neededFrom++;
    await relabel('d');
    expect(stored(), 'nobody needs them any more').toEqual(['d', undefined]);
    await store.close();
  });
});

test('a label update is in the log with all labels and the names that disappeared', async () => {
  await withTempDir(async (path) => {
    const store = await openHarness(path);
    await store.catalog.createBucket('b', TEST_SETTINGS);
    const target = store.catalog.entryForWrite('b', 'e');
    await store.write(target, 7n, Buffer.from('x'), ['a', '1', 'b', '2']);
    const sequence = store.commits.headSequence;
    const entry = store.catalog.entry('b', 'e');
    await store.commits.mutate((session) => {
      const found = session.find(entry, 7n);
      if (found !== undefined) session.replaceLabels(entry, found, ['b', '3', 'c', '4']);
    });
    const block = readBlock(store.db, sequence);
    expect(block?.kind).toBe(3);
    expect(block?.ts(0)).toBe(7n);
    expect(block?.metaOf(0).labels).toEqual(['b', '3', 'c', '4']);
    expect(block?.payload(0).includes('a')).toBe(true);
    await store.close();
  });
});
