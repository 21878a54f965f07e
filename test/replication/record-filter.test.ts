import { describe, expect, test } from 'vitest';
import { RecordFilter, type FilteredRecord } from '../../src/replication/record-filter.ts';

const NO_FILTERS = { include: {}, exclude: {}, eachN: null, eachS: null };
const GOOD = ['status', 'good'];
const BAD = ['status', 'bad'];

function record(overrides: Partial<FilteredRecord> = {}): FilteredRecord {
  return {
    kind: 'write',
    entryId: 1,
    isMeta: false,
    timestampUs: 0n,
    labels: [],
    ...overrides,
  };
}

describe('the order of the filters', () => {
  test('records refused by labels advance no counter', () => {
    const settings = { ...NO_FILTERS, include: { status: 'good' }, eachN: 2 };
    const filter = new RecordFilter(settings, null);
    const verdicts = [BAD, GOOD, BAD, GOOD, GOOD].map((labels) =>
      filter.decide(record({ labels })),
    );
    expect(verdicts).toEqual(['drop', 'send', 'drop', 'drop', 'send']);
  });

  test('the condition sees only what sampling lets through', () => {
    const seen: bigint[] = [];
    const filter = new RecordFilter({ ...NO_FILTERS, eachN: 2 }, ({ timestampUs }) => {
      seen.push(timestampUs);
      return timestampUs > 0n;
    });
    const verdicts = [0n, 1n, 2n].map((timestampUs) => filter.decide(record({ timestampUs })));
    expect(verdicts).toEqual(['drop', 'drop', 'send']);
    expect(seen).toEqual([0n, 2n]);
  });

  test('attachments pass all filters and move no counter', () => {
    const settings = { ...NO_FILTERS, include: { status: 'good' }, eachN: 2 };
    const filter = new RecordFilter(settings, () => false);
    expect(filter.decide(record({ isMeta: true }))).toBe('send');
    expect(filter.decide(record({ isMeta: true, kind: 'update' }))).toBe('send');
    expect(filter.snapshot().seenByEntry.size).toBe(0);
  });
});

describe('label updates', () => {
  test('of a task that samples do not touch the counters and bring no record in', () => {
    const filter = new RecordFilter({ ...NO_FILTERS, eachN: 2, eachS: 1 }, null);
    const before = filter.snapshot();
    expect(filter.decide(record({ kind: 'update', timestampUs: 9_000_000n }))).toBe('update-only');
    expect(filter.snapshot()).toEqual(before);
    expect(filter.decide(record())).toBe('send');
  });

  test('of other tasks select the record as a write does', () => {
    const filter = new RecordFilter({ ...NO_FILTERS, include: { status: 'good' } }, null);
    expect(filter.decide(record({ kind: 'update', labels: GOOD }))).toBe('send');
    expect(filter.decide(record({ kind: 'update', labels: BAD }))).toBe('drop');
  });

  test('are asked the condition as well', () => {
    const filter = new RecordFilter({ ...NO_FILTERS, eachN: 2 }, () => false);
    expect(filter.decide(record({ kind: 'update' }))).toBe('drop');
  });
});

test('a filter goes on from the snapshot of another', () => {
  const settings = { ...NO_FILTERS, eachN: 2 };
  const first = new RecordFilter(settings, null);
  expect(first.decide(record())).toBe('send');
  expect(new RecordFilter(settings, null, first.snapshot()).decide(record())).toBe('drop');
});
