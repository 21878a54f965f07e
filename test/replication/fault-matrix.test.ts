/**
 * Every way in which a target can fail, against every kind of record. Each fault strikes the first requests of each entry,
 * then the target works; nothing is restarted. Afterwards the target has every record exactly as it is, or the task has it
 * as a dead letter, where the fault is one that means this record alone.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import type { SendResult } from '../../src/replication/messages.ts';
import { FakeTarget, type Fault, type SeenRequest, type StoredRecord } from '../lib/fake-target.ts';
import { type FixtureRecord, LogFixture } from '../lib/log-fixture.ts';
import { BUCKET, newRuntime, settingsFor, SliceDriver } from '../lib/slice-driver.ts';

/** Requests of each entry that a fault strikes. */
const STRIKES = 2;
const BATCH_RECORDS = 10;

/** One kind of record: an entry of its own, and what the target has of it in the end. */
interface Kind {
  readonly name: string;
  readonly entry: string;
  readonly records: readonly FixtureRecord[];
  /** The target has these before. */
  readonly before?: readonly StoredRecord[];
  fill(log: LogFixture, entryId: number): void;
}

function small(count: number, length: number, labels: readonly string[] = []): FixtureRecord[] {
  return Array.from({ length: count }, (_, at) => ({
    ts: BigInt(at + 1),
    payload: Buffer.alloc(length, `${at};`),
    labels,
    contentType: 'text/plain',
  }));
}

function batchKind(name: string, entry: string, records: readonly FixtureRecord[]): Kind {
  return { name, entry, records, fill: (log, id) => log.append(BUCKET, id, records) };
}

const LARGE: FixtureRecord = {
  ts: 1n,
  payload: Buffer.alloc(2_500_000, 'large'),
  labels: ['unit', 'V'],
  contentType: 'video/raw',
};

const UPDATED = small(3, 30, ['state', 'new']);

const KINDS: readonly Kind[] = [
  batchKind('a batch of small records', 'small', small(BATCH_RECORDS, 30, ['unit', 'm/s'])),
  batchKind('records in a nested entry', 'line/1/press', small(BATCH_RECORDS, 30)),
  batchKind('empty records', 'empty', small(BATCH_RECORDS, 0, ['event', 'tick'])),
  batchKind('records with labels that need requests of their own', 'single', [
    ...small(2, 30, ['note', 'x,"y"']),
  ]),
  {
    name: 'a large record',
    entry: 'large',
    records: [LARGE],
    fill: (log, id) => log.appendLarge(BUCKET, id, LARGE, 1024 * 1024),
  },
  {
    name: 'new labels of records that are there',
    entry: 'updated',
    records: UPDATED,
    before: UPDATED.map(({ ts, payload }) => ({
      ts,
      payload,
      contentType: 'text/plain',
      labels: new Map([['state', 'old']]),
    })),
    fill: (log, id) => {
      log.append(BUCKET, id, UPDATED);
      const updates = UPDATED.map(({ ts, labels = [] }) => ({ ts, labels }));
      log.appendUpdates(BUCKET, id, updates);
    },
  },
  {
    name: 'attachments: written, replaced and removed',
    entry: 'small/$meta',
    records: [
      { ts: 1n, payload: Buffer.from('{"v":1}'), labels: ['key', 'k'] },
      { ts: 2n, payload: Buffer.from('{"v":2}'), labels: ['key', 'k'] },
      { ts: 3n, payload: Buffer.from('{"w":1}'), labels: ['key', 'w', 'remove', 'true'] },
    ],
    fill(log, id) {
      for (const record of this.records) log.append(BUCKET, id, [record]);
    },
  },
];

interface FaultRow {
  readonly name: string;
  readonly fault: (request: SeenRequest) => Fault;
  /** Keys that the diagnostics may show. */
  readonly keys: readonly number[];
  /** The fault means single records: those it strikes alone become dead letters. */
  readonly refuses?: boolean;
}

function status(code: number, text = 'no'): FaultRow {
  const fault: Fault = { kind: 'status', status: code, text };
  const refuses = [400, 413, 422, 431].includes(code);
  // 409 to one record says that it is there; the target that is asked for it denies that.
  const keys = code === 409 ? [409, 404] : [code];
  return { name: `status ${code} for the request`, fault: () => fault, keys, refuses };
}

/** The same for every record of an accepted request; for updates it means that they cannot be applied. */
function records(code: number, text = 'no'): FaultRow {
  const refuses = [400, 405, 413, 414, 415, 422, 431].includes(code);
  const fault = ({ method }: SeenRequest): Fault =>
    method === 'PATCH' ? { kind: 'ok' } : { kind: 'records', errorOf: () => `${code},${text}` };
  return { name: `status ${code} (${text}) for each record`, fault, keys: [code, 404], refuses };
}

function plain(name: string, fault: Fault, keys: readonly number[]): FaultRow {
  return { name, fault: () => fault, keys };
}

const OK_HEAD = 'HTTP/1.1 200 OK\r\n';

const FAULTS: readonly FaultRow[] = [
  ...[301, 307, 400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 422, 425, 429, 431].map((code) =>
    status(code),
  ),
  ...[500, 501, 502, 503, 504, 507, 599].map((code) => status(code)),
  plain('a full quota', { kind: 'status', status: 400, text: "Quota of 'dst' exceeded" }, [400]),
  plain(
    'a cut upload',
    { kind: 'status', status: 400, text: 'Timeout while receiving data' },
    [400],
  ),
  ...[400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 425, 429].map((code) => records(code)),
  ...[500, 501, 502, 503, 504, 507].map((code) => records(code)),
  { ...records(400, "Quota of 'dst' exceeded"), refuses: false },
  records(409, "Entry 'e' in bucket 'dst' is being deleted"),
  records(404, "Bucket 'dst' is not found"),
  plain('a reset before the body is read', { kind: 'reset' }, [-6, -1]),
  plain('a reset behind the records', { kind: 'reset-mid-answer' }, [-6, -1]),
  plain('silence', { kind: 'stall' }, [-2]),
  plain('an answer that is forgotten', { kind: 'raw', bytes: '', end: 'close' }, [-6, -1]),
  plain('half a status line', { kind: 'raw', bytes: 'HTTP/1.1 20', end: 'reset' }, [-6, -1]),
  plain(
    'half of the headers, then silence',
    { kind: 'raw', bytes: `${OK_HEAD}x-a: b`, end: 'hang' },
    [-2],
  ),
  plain(
    'bytes that are no HTTP',
    { kind: 'raw', bytes: '\x00\x01SSH-2.0\r\n\r\n', end: 'close' },
    [-1, -6],
  ),
  plain(
    'a length beyond the end of the answer',
    { kind: 'raw', bytes: `${OK_HEAD}content-length: 100\r\n\r\nshort`, end: 'close' },
    [],
  ),
  plain(
    'a length that is no number',
    { kind: 'raw', bytes: `${OK_HEAD}content-length: many\r\n\r\n`, end: 'close' },
    [-1, -6],
  ),
  plain(
    'an error of a record that cannot be read',
    {
      kind: 'raw',
      bytes: `${OK_HEAD}x-reduct-error-abc: 409,x\r\ncontent-length: 0\r\n\r\n`,
      end: 'close',
    },
    [-1],
  ),
];

interface Run {
  readonly target: FakeTarget;
  readonly results: readonly SendResult[];
  /** Requests that the fault struck, by entry. */
  readonly strikes: ReadonlyMap<string, number>;
}

/** All kinds at once: the fault strikes the first requests of each of their entries. */
async function run({ fault, keys }: FaultRow): Promise<Run> {
  const log = await LogFixture.open();
  const target = new FakeTarget();
  await target.start();
  const names = new Map(KINDS.map(({ entry }, at) => [at + 1, entry]));
  const strikes = new Map<string, number>();
  const entryOf = ({ path }: SeenRequest): string =>
    decodeURIComponent(path.replace('/api/v1/b/dst/', '').replace(/\/batch$/, ''));
  target.faultOf = (request) => {
    const entry = entryOf(request);
    const struck = strikes.get(entry) ?? 0;
    strikes.set(entry, struck + 1);
    return struck < STRIKES ? fault(request) : { kind: 'ok' };
  };
  for (const [at, kind] of KINDS.entries()) {
    kind.fill(log, at + 1);
    if (kind.before !== undefined) {
      target.stored.set(
        `dst/${kind.entry}`,
        kind.before.map((record) => ({ ...record, labels: new Map(record.labels) })),
      );
    }
  }
  log.publish();
  const runtime = newRuntime(log, { noProgressTimeoutMs: keys.includes(-2) ? 200 : 10_000 });
  const driver = new SliceDriver(runtime, settingsFor(target.url), names);
  try {
    await driver.drain();
  } finally {
    await runtime.close();
    await target.stop();
    await log.close();
  }
  return { target, results: driver.results, strikes };
}

describe.each(FAULTS)('$name', (row) => {
  let done: Run;

  beforeAll(async () => {
    done = await run(row);
  });

  test.each(KINDS)('loses nothing of $name', ({ entry, records: expected }) => {
    expect(done.strikes.get(entry)).toBeGreaterThan(0);
    const stored = done.target.recordsOf(`dst/${entry}`);
    const timestamps = stored.map(({ ts }) => ts).toSorted((a, b) => (a < b ? -1 : 1));
    const letters = done.results
      .flatMap(({ deadLetters }) => deadLetters)
      .filter(({ entryName }) => entryName === entry);
    const dead = new Set(letters.map(({ ts }) => ts));
    if (row.refuses !== true) expect(letters).toEqual([]);
    for (const { status: code } of letters) expect(row.keys).toContain(code);
    // Exactly once, unless it is a dead letter, which may be there with labels it had before.
    expect(new Set(timestamps).size).toBe(timestamps.length);
    for (const record of expected) {
      const there = stored.find(({ ts }) => ts === record.ts);
      if (dead.has(record.ts)) continue;
      expect(there?.payload.equals(record.payload)).toBe(true);
      const labels = Object.fromEntries(there?.labels ?? []);
      const wanted = record.labels ?? [];
      for (let i = 0; i + 1 < wanted.length; i += 2) {
        expect(labels[wanted[i] ?? '']).toBe(wanted[i + 1]);
      }
      expect(there?.contentType).toBe(record.contentType ?? 'application/octet-stream');
    }
    expect(stored).toHaveLength(expected.filter(({ ts }) => timestamps.includes(ts)).length);
  });

  test('makes dead letters only where it means the record', () => {
    const letters = done.results.flatMap(({ deadLetters }) => deadLetters);
    expect(letters.length > 0).toBe(row.refuses === true);
  });

  test('is all that the diagnostics show', () => {
    const errors = done.results.flatMap(({ counts }) => counts.errors);
    for (const { key } of errors) expect(row.keys).toContain(key);
    if (row.keys.length === 0) expect(errors).toEqual([]);
  });
});

test('a target that refuses connections gets everything when it is back', async () => {
  const log = await LogFixture.open();
  const target = new FakeTarget();
  await target.start();
  const { port, url } = target;
  await target.stop();
  const names = new Map(KINDS.map(({ entry }, at) => [at + 1, entry]));
  for (const [at, kind] of KINDS.entries()) kind.fill(log, at + 1);
  log.publish();
  const driver = new SliceDriver(newRuntime(log), settingsFor(url), names);
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      expect((await driver.slice()).failure).toMatchObject({ kind: 'unreachable', key: -3 });
    }
    await target.start(port);
    await driver.drain();
    for (const { entry, records: expected } of KINDS) {
      expect(target.recordsOf(`dst/${entry}`)).toHaveLength(expected.length);
    }
  } finally {
    await driver.runtime.close();
    await target.stop();
    await log.close();
  }
});
