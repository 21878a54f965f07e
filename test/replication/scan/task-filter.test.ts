import { describe, expect, test } from 'vitest';
import { MetaCache } from '../../../src/replication/scan/meta-cache.ts';
import { TaskFilter } from '../../../src/replication/scan/task-filter.ts';
import type { ReplicationSettings } from '../../../src/replication/settings.ts';
import {
  blockBytesBound,
  BlockView,
  encodeBlock,
  encodeUpdateBlock,
} from '../../../src/store/block.ts';
import { encodeMeta } from '../../../src/store/record-meta.ts';
import { settingsFor } from '../../lib/slice-driver.ts';

const GOOD = ['status', 'good'];
const BAD = ['status', 'bad'];

interface Row {
  readonly ts?: bigint;
  readonly labels?: readonly string[];
}

let sequence = 1;

function block(rows: readonly Row[], encode: typeof encodeBlock = encodeBlock): BlockView {
  const records = rows.map(({ ts = 0n, labels = [] }) => {
    const meta = encodeMeta('text/plain', labels);
    return { ts, meta, source: Buffer.alloc(0), offset: 0, length: 0 };
  });
  const out = Buffer.allocUnsafe(blockBytesBound(records));
  const identity = { sequence: sequence++, bucketId: 1, entryId: 1, bucketOrdinal: 0 };
  return new BlockView(out.subarray(0, encode(out, identity, records)));
}

const updates = (rows: readonly Row[]): BlockView => block(rows, encodeUpdateBlock);

function newFilter(changes: Partial<ReplicationSettings>): TaskFilter {
  return new TaskFilter(settingsFor('http://x', changes), new MetaCache(), () => undefined);
}

/** Rows of the block that pass. */
function passing(filter: TaskFilter, view: BlockView, entryName = 'e'): number[] {
  const passed: number[] = [];
  const append = (_view: BlockView, from: number, to: number): void => {
    for (let i = from; i < to; i++) passed.push(i);
  };
  filter.filter(view, entryName, { append });
  return passed;
}

describe('the order of the filters', () => {
  test('records refused by labels advance no counter', () => {
    const filter = newFilter({ include: { status: 'good' }, eachN: 2 });
    const rows = [BAD, GOOD, BAD, GOOD, GOOD].map((labels) => ({ labels }));
    expect(passing(filter, block(rows))).toEqual([1, 4]);
  });

  test('the condition sees only what sampling lets through', () => {
    const filter = newFilter({ eachN: 2, whenText: '{"$each_n":2}' });
    const rows = [0n, 1n, 2n, 3n, 4n, 5n, 6n].map((ts) => ({ ts }));
    expect(passing(filter, block(rows))).toEqual([2, 6]);
  });

  test('attachments pass all filters and move no counter', () => {
    const filter = newFilter({ include: { status: 'good' }, eachN: 2, whenText: 'false' });
    expect(passing(filter, block([{}, {}]), 'e/$meta')).toEqual([0, 1]);
    expect(passing(filter, updates([{}]), 'e/$meta')).toEqual([0]);
    expect(filter.snapshot()?.sampling.seenByEntry.size).toBe(0);
  });
});

describe('label updates', () => {
  test('of a task that samples do not touch the counters', () => {
    const filter = newFilter({ eachN: 2, eachS: 1 });
    const before = filter.snapshot();
    expect(passing(filter, updates([{ ts: 9_000_000n }]))).toEqual([0]);
    expect(filter.snapshot()).toEqual(before);
    expect(filter.isSampling, 'which keeps them from bringing a record in').toBe(true);
    expect(passing(filter, block([{}]))).toEqual([0]);
  });

  test('select the record as a write does', () => {
    const filter = newFilter({ include: { status: 'good' } });
    expect(passing(filter, updates([{ labels: GOOD }, { labels: BAD }]))).toEqual([0]);
    const asked = newFilter({ eachN: 2, whenText: '{"&status":{"$eq":"good"}}' });
    expect(passing(asked, updates([{ labels: BAD }, { labels: GOOD }]))).toEqual([1]);
  });
});

test('a filter goes on from the snapshot of another', () => {
  const first = newFilter({ eachN: 2 });
  expect(passing(first, block([{}]))).toEqual([0]);
  const second = newFilter({ eachN: 2 });
  second.restore(first.snapshot());
  expect(passing(second, block([{ ts: 1n }, { ts: 2n }]))).toEqual([1]);
});
