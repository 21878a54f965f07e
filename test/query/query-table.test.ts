import { beforeEach, describe, expect, test } from 'vitest';
import type { Bucket } from '../../src/catalog/model.ts';
import { ReadAhead } from '../../src/query/read-ahead.ts';
import type { QueryState } from '../../src/query/query-table.ts';
import { QueryTable } from '../../src/query/query-table.ts';
import { TEST_LIMITS } from '../lib/query-harness.ts';
import { TEST_SETTINGS } from '../lib/store-harness.ts';

const BUCKET: Bucket = {
  id: 1,
  name: 'b',
  settings: TEST_SETTINGS,
  isProvisioned: false,
  status: 'READY',
  entries: new Map(),
  recordsWritten: 0,
  rewrites: 0,
  sizeBytes: 0,
};

let nowMs = 0;

beforeEach(() => {
  nowMs = 0;
});

function state(id: number, overrides: Partial<QueryState> = {}): QueryState {
  return {
    id,
    bucket: BUCKET,
    entry: undefined,
    ttlMs: 1_000,
    continuous: false,
    limits: TEST_LIMITS,
    batchTimeoutMs: 5_000,
    plan: new Uint8Array(1_000),
    cursor: undefined,
    ahead: new ReadAhead(BUCKET, undefined, true, () => {}),
    nextTs: 0n,
    isFinished: false,
    isEndTold: false,
    lastAccessMs: nowMs,
    activeReads: 0,
    turn: Promise.resolve(),
    ...overrides,
  };
}

function newTable(maxQueries: number, maxBytes = 1 << 20): QueryTable {
  return new QueryTable({ maxQueries, maxBytes, nowMs: () => nowMs });
}

describe('open queries', () => {
  test('are gone when the last access is as long ago as the ttl', () => {
    const table = newTable(10);
    table.add(state(1));
    nowMs = 999;
    expect(table.find(1)?.id).toBe(1);
    nowMs = 1_000;
    expect(table.find(1)).toBeUndefined();
    expect(table.size).toBe(0);
    expect(table.bytes).toBe(0);
  });

  test('do not expire while they are read', () => {
    const table = newTable(10);
    table.add(state(1, { activeReads: 1 }));
    nowMs = 5_000;
    table.sweep();
    expect(table.find(1)?.id).toBe(1);
  });

  test('are swept when nobody asks for them', () => {
    const table = newTable(10);
    table.add(state(1));
    table.add(state(2, { ttlMs: 9_000 }));
    nowMs = 1_000;
    table.sweep();
    expect(table.size).toBe(1);
    expect(table.find(2)?.id).toBe(2);
  });
});

describe('a full table', () => {
  test('refuses a new query rather than dropping an open one', () => {
    const table = newTable(2);
    table.add(state(1));
    table.add(state(2));
    expect(() => table.add(state(3))).toThrow(expect.objectContaining({ status: 503 }));
    expect(table.find(1)?.id).toBe(1);
  });

  test('drops expired queries for a new one, and keeps finished ones as long as that is enough', () => {
    const table = newTable(2);
    table.add(state(1));
    nowMs = 1_000;
    table.add(state(2, { isFinished: true }));
    table.add(state(3));
    expect(table.find(1)).toBeUndefined();
    expect(table.find(2)?.id).toBe(2);
    expect(table.find(3)?.id).toBe(3);
  });

  test('drops finished queries for a new one, but not those read a moment ago', () => {
    const table = newTable(2);
    table.add(state(1, { isFinished: true, ttlMs: 60_000 }));
    nowMs = 900;
    table.add(state(2, { isFinished: true, ttlMs: 60_000 }));
    nowMs = 1_000;
    table.add(state(3, { ttlMs: 60_000 }));
    expect(table.find(1)).toBeUndefined();
    expect(table.find(2)?.id).toBe(2);
    nowMs = 1_500;
    expect(() => table.add(state(4))).toThrow(expect.objectContaining({ status: 503 }));
    nowMs = 1_900;
    table.add(state(4));
    expect(table.find(2)).toBeUndefined();
    expect(table.find(3)?.id).toBe(3);
  });

  test('is also one whose plans and cursors take up all bytes', () => {
    const table = newTable(10, 5_000);
    table.add(state(1));
    table.add(state(2));
    expect(() => table.add(state(3))).toThrow(expect.objectContaining({ status: 503 }));
  });

  test('a cursor that outgrows the bytes ends its own query', () => {
    const table = newTable(10, 5_000);
    const first = state(1);
    const second = state(2);
    table.add(first);
    table.add(second);
    table.moveCursor(first, new Uint8Array(500));
    expect(() => table.moveCursor(first, new Uint8Array(5_000))).toThrow(
      expect.objectContaining({ status: 503 }),
    );
    expect(table.find(1)).toBeUndefined();
    expect(table.find(2)?.id).toBe(2);
    expect(table.bytes).toBe(2_024);
  });
});
