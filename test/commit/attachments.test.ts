import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Entry } from '../../src/catalog/model.ts';
import { COLUMN_BLOCKS, COLUMN_META, META } from '../../src/store/format.ts';
import { metaIdRange } from '../../src/store/keys.ts';
import { labelValue } from '../../src/store/labels.ts';
import { readBlock, runsFrom } from '../../src/store/run-index.ts';
import { attachmentKeyOf } from '../../src/wire/attachment-rules.ts';
import type { StoreHarness } from '../lib/store-harness.ts';
import { openHarness, TEST_SETTINGS } from '../lib/store-harness.ts';
import { withTempDir } from '../lib/temp-dir.ts';

interface Attachment {
  readonly text: string;
  readonly key: string;
  readonly isRemoved: boolean;
}

/** What the contract says of a `$meta` entry, written down without commits and indexes. */
class Model {
  readonly records = new Map<bigint, Attachment>();

  /** @returns whether the write is accepted. */
  write(ts: bigint, key: string, text: string): boolean {
    const known = this.records.get(ts);
    if (known !== undefined && (known.isRemoved || known.key !== key)) return false;
    for (const [at, old] of this.records) {
      if (old.key === key && !old.isRemoved) this.records.delete(at);
    }
    this.records.set(ts, { text, key, isRemoved: false });
    return true;
  }

  sorted(): [bigint, Attachment][] {
    return [...this.records].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

function stored(store: StoreHarness, entry: Entry): [bigint, Attachment][] {
  return runsFrom(store.db, entry.id, 0n, 10_000).flatMap((run) => {
    const block = readBlock(store.db, run.sequence);
    if (block === undefined) throw new Error(`block ${run.sequence} is missing`);
    return Array.from({ length: run.count }, (_, i): [bigint, Attachment] => {
      const at = run.startIndex + i;
      const { labels } = block.metaOf(at);
      const isRemoved = attachmentKeyOf(labels) === undefined;
      const key = labelValue(labels, 'key') ?? '';
      return [block.ts(at), { text: block.payload(at).toString(), key, isRemoved }];
    });
  });
}

function countKeyRows(store: StoreHarness, entry: Entry): number {
  const iterator = store.db.iterate(COLUMN_META, metaIdRange(META.attachment, entry.id));
  try {
    return iterator.next(10_000).rows.length / 2;
  } finally {
    iterator.close();
  }
}

const ts = fc.bigInt({ min: 0n, max: 12n });
const key = fc.constantFrom('a', 'b', '1', '$x');
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      writes: fc.array(fc.record({ ts, key }), { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ bury: fc.array(ts, { minLength: 1, maxLength: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ revive: ts }) },
  { weight: 1, arbitrary: fc.record({ rekey: ts, key }) },
  { weight: 1, arbitrary: fc.record({ remove: fc.array(ts, { minLength: 1, maxLength: 3 }) }) },
  { weight: 1, arbitrary: fc.constant({ restart: true as const }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

let count = 0;

async function relabel(
  store: StoreHarness,
  model: Model,
  timestamps: readonly bigint[],
  change: (old: Attachment) => Attachment,
): Promise<void> {
  const entry = store.catalog.entry('b', 'e/$meta');
  await store.commits.mutate((session) => {
    for (const at of new Set(timestamps)) {
      const found = session.find(entry, at);
      const old = model.records.get(at);
      expect(found !== undefined).toBe(old !== undefined);
      if (found === undefined || old === undefined) continue;
      const next = change(old);
      const labels = next.isRemoved ? ['key', next.key, 'remove', 'true'] : ['key', next.key];
      session.replaceLabels(entry, found, labels);
      model.records.set(at, next);
    }
  });
}

async function applyStep(store: StoreHarness, model: Model, action: Step): Promise<void> {
  const target = store.catalog.entryForWrite('b', 'e/$meta');
  if ('writes' in action) {
    // All in one commit group, in this order.
    const outcomes = action.writes.map((write) => {
      const text = `t${count++ % 2}`;
      const expected = model.write(write.ts, write.key, text);
      const labels = ['key', write.key];
      return { expected, error: store.write(target, write.ts, Buffer.from(text), labels) };
    });
    for (const { expected, error } of outcomes) expect((await error) === null).toBe(expected);
    return;
  }
  if (!target.isDurable) return;
  if ('bury' in action) {
    await relabel(store, model, action.bury, (old) => ({ ...old, isRemoved: true }));
  } else if ('revive' in action) {
    await relabel(store, model, [action.revive], (old) => ({ ...old, isRemoved: false }));
  } else if ('rekey' in action) {
    await relabel(store, model, [action.rekey], (old) => ({ ...old, key: action.key }));
  } else if ('remove' in action) {
    const sorted = [...new Set(action.remove)].sort((a, b) => (a < b ? -1 : 1));
    await store.commits.mutate((session) => {
      session.removeRecords(target, sorted);
    });
    for (const at of sorted) model.records.delete(at);
  }
}

test('any history of attachments agrees with a model: one record per key, whatever its timestamp', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (steps) => {
      await withTempDir(async (path) => {
        let store = await openHarness(path);
        await store.catalog.createBucket('b', { ...TEST_SETTINGS, max_block_records: 5 });
        const model = new Model();
        for (const action of steps) {
          if ('restart' in action) {
            await store.close();
            store = await openHarness(path);
          } else {
            await applyStep(store, model, action);
          }
        }
        const entry = store.catalog.bucket('b').entries.get('e/$meta');
        if (entry !== undefined) {
          const sorted = model.sorted();
          expect(stored(store, entry)).toEqual(sorted);
          const keys = sorted.flatMap(([, at]) => (at.isRemoved ? [] : [at.key]));
          expect(countKeyRows(store, entry)).toBe(new Set(keys).size);
          expect(entry.stats.recordCount).toBe(sorted.length);
          const runs = runsFrom(store.db, entry.id, 0n, 10_000);
          expect(entry.stats.sizeBytes).toBe(runs.reduce((sum, run) => sum + run.sizeBytes, 0));
        }
        await store.close();
      });
    }),
    { numRuns: 80 },
  );
});

test('a failed write leaves the attachment it would have replaced', async () => {
  await withTempDir(async (path) => {
    const store = await openHarness(path);
    await store.catalog.createBucket('b', TEST_SETTINGS);
    const target = store.catalog.entryForWrite('b', '$meta');
    const write = (at: bigint, text: string): Promise<unknown> =>
      store.write(target, at, Buffer.from(text), ['key', 'k']);
    expect(await write(1n, 'old')).toBeNull();
    const entry = store.catalog.entry('b', '$meta');
    await store.commits.mutate((session) => {
      const found = session.find(entry, 1n);
      if (found !== undefined) session.replaceLabels(entry, found, ['key', 'other']);
    });
    expect(await store.write(target, 2n, Buffer.from('mine'), ['key', 'k'])).toBeNull();
    // Key `k` lies at 2, and 1 is taken by another key.
    expect(await write(1n, 'new')).toMatchObject({ status: 409 });
    expect(stored(store, entry).map(([at, { text }]) => [at, text])).toEqual([
      [1n, 'old'],
      [2n, 'mine'],
    ]);
    await store.close();
  });
});

test('the chunks of a large attachment go with it, also when it is replaced in the turn it was written in', async () => {
  await withTempDir(async (path) => {
    const store = await openHarness(path);
    await store.catalog.createBucket('b', TEST_SETTINGS);
    const target = store.catalog.entryForWrite('b', 'e/$meta');
    const large = Buffer.alloc(1024 * 1024 + 10, 1);
    const writeLarge = async (at: bigint): Promise<unknown> => {
      const upload = store.commits.openUpload();
      const append = (chunk: Buffer): Promise<void> =>
        new Promise((resolve) => upload.append(chunk, () => resolve()));
      await append(large.subarray(0, 1024 * 1024));
      await append(large.subarray(1024 * 1024));
      return new Promise((resolve) => {
        const sink = { onWritten: (_tag: number, error: unknown) => resolve(error) };
        store.commits.stageUpload(target, at, 'x/y', ['key', 'k'], upload, sink, 0);
      });
    };
    expect(await writeLarge(1n)).toBeNull();
    expect(await Promise.all([writeLarge(2n), writeLarge(3n)])).toEqual([null, null]);
    expect(await store.write(target, 4n, Buffer.from('s'), ['key', 'k'])).toBeNull();
    const rows = store.db.iterate(COLUMN_BLOCKS, { keysOnly: true });
    expect(rows.next(100).rows.length / 2).toBe(1);
    rows.close();
    const markers = store.db.iterate(COLUMN_META, {
      gte: Buffer.of(META.upload),
      lt: Buffer.of(META.upload + 1),
    });
    expect(markers.next(100).rows).toEqual([]);
    markers.close();
    await store.close();
  });
});
