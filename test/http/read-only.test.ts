/** A read-only instance (http-api §1.12, replication §1.1), over real sockets, on the folder of a stopped one. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COLUMN_BLOCKS, COLUMN_INDEX, COLUMN_META } from '../../src/store/format.ts';
import { openRocks } from '../../src/store/rocks.ts';
import { ENDPOINT_ROWS, TEST_BUCKET } from '../lib/endpoint-rows.ts';
import type { EndpointRow, ExpectedAnswer } from '../lib/endpoint-rows.ts';
import type { RunningInstance } from '../lib/instance.ts';
import { startInstance, TEST_TOKEN, withInstance } from '../lib/instance.ts';
import { rawRequest } from '../lib/raw-http.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const STORAGE = 'Cannot perform this operation in read-only mode';
const UPDATE_TASK = 'Cannot update replication in read-only mode';
const READ_TASK = 'Cannot get replication info in read-only mode';

/** What each change is refused with, and the few reads that are refused. */
const REFUSALS: Readonly<Record<string, string>> = {
  'POST bucket': STORAGE,
  'PUT bucket': STORAGE,
  'DELETE bucket': STORAGE,
  'PUT bucketRename': STORAGE,
  'POST entry': STORAGE,
  'PATCH entry': STORAGE,
  'DELETE entry': STORAGE,
  'POST entryBatch': STORAGE,
  'PATCH entryBatch': STORAGE,
  'DELETE entryBatch': STORAGE,
  'POST entryQuery': STORAGE,
  'DELETE entryQuery': STORAGE,
  'PUT entryRename': STORAGE,
  'POST ioQuery': STORAGE,
  'POST ioWrite': STORAGE,
  'PATCH ioUpdate': STORAGE,
  'DELETE ioRemove': STORAGE,
  'POST token': 'Cannot generate token in read-only mode',
  'DELETE token': 'Cannot remove token in read-only mode',
  'POST tokenRotate': 'Cannot rotate token in read-only mode',
  'POST replication': 'Cannot create replication in read-only mode',
  'PUT replication': UPDATE_TASK,
  'DELETE replication': 'Cannot remove replication in read-only mode',
  'PATCH replicationMode': 'Cannot update replication mode in read-only mode',
  'GET replication': READ_TASK,
  'HEAD replication': READ_TASK,
  'POST replicationCheck': READ_TASK,
  'POST replicationPreview': READ_TASK,
  'GET replicationBackfills': READ_TASK,
  'HEAD replicationBackfills': READ_TASK,
  'POST replicationBackfills': UPDATE_TASK,
  'GET replicationBackfill': READ_TASK,
  'HEAD replicationBackfill': READ_TASK,
  'PATCH replicationBackfill': UPDATE_TASK,
  'DELETE replicationBackfill': UPDATE_TASK,
  'GET replicationCompare': READ_TASK,
  'HEAD replicationCompare': READ_TASK,
  'POST replicationCompare': UPDATE_TASK,
  'DELETE replicationCompare': UPDATE_TASK,
  'GET deadLetters': READ_TASK,
  'HEAD deadLetters': READ_TASK,
  'DELETE deadLetters': UPDATE_TASK,
  'POST deadLettersRetry': UPDATE_TASK,
  'POST lifecycle': 'Cannot create lifecycle in read-only mode',
  'PUT lifecycle': 'Cannot update lifecycle in read-only mode',
  'DELETE lifecycle': 'Cannot remove lifecycle in read-only mode',
  'PATCH lifecycleMode': 'Cannot update lifecycle mode in read-only mode',
  'GET lifecycle': 'Cannot get lifecycle info in read-only mode',
  'HEAD lifecycle': 'Cannot get lifecycle info in read-only mode',
};

const REPLICA = { RS_INSTANCE_ROLE: 'REPLICA' };

/** Queries and links need to read, and what is refused without a token is refused before all else. */
function isServed({ need, method, target }: EndpointRow): boolean {
  return need === 'R' || need === '-' || REFUSALS[`${method} ${target}`] === undefined;
}

function expectedAnswer(row: EndpointRow): ExpectedAnswer {
  if (isServed(row)) return row.granted;
  return { status: 403, error: REFUSALS[`${row.method} ${row.target}`] ?? '' };
}

async function answerTo(
  instance: RunningInstance,
  { method, path, isAbsolute, headers, body }: EndpointRow,
  authorization = `Bearer ${TEST_TOKEN}`,
): Promise<ExpectedAnswer> {
  const response = await rawRequest(Number(new URL(instance.url).port), {
    method,
    path: isAbsolute === true ? path(1) : `/api/v1${path(1)}`,
    headers: { ...headers, authorization },
    ...(body === undefined ? {} : { body }),
  });
  const { status } = response;
  const error = response.header('x-reduct-error');
  return error === undefined ? { status } : { status, error };
}

/** Every row of the store. */
async function storedRows(path: string): Promise<string[]> {
  const db = await openRocks(path, { cacheBytes: 1 << 20 });
  const found: string[] = [];
  for (const column of [COLUMN_META, COLUMN_INDEX, COLUMN_BLOCKS] as const) {
    const iterator = db.iterate(column, {});
    const { rows } = iterator.next(100_000);
    for (const bytes of rows) found.push(`${column} ${bytes.toString('hex')}`);
    iterator.close();
  }
  await db.close();
  return found;
}

describe('a folder with content', () => {
  let path = '';
  let instance: RunningInstance;
  let before: readonly string[] = [];

  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
    const writer = await startInstance(path, {
      RS_TOKEN_1_NAME: 'reader',
      RS_TOKEN_1_VALUE: 'reader-value',
      RS_TOKEN_1_READ: TEST_BUCKET,
    });
    const { api } = writer;
    await api.ok('POST', `/b/${TEST_BUCKET}`);
    await api.ok('POST', `/b/${TEST_BUCKET}/entry?ts=1`, {}, 'x');
    await api.ok('POST', `/b/${TEST_BUCKET}/entry?ts=2`, {}, Buffer.alloc(3 << 20, 7));
    await api.ok(
      'POST',
      '/lifecycles/policy',
      {},
      `{"type":"delete","bucket":"${TEST_BUCKET}","older_than":"1h"}`,
    );
    await api.ok(
      'POST',
      '/replications/task',
      {},
      `{"src_bucket":"${TEST_BUCKET}","dst_bucket":"x","dst_host":"http://127.0.0.1:1"}`,
    );
    await api.ok('PATCH', '/lifecycles/policy/mode', {}, '{"mode":"disabled"}');
    await writer.stop();
    before = await storedRows(path);
    instance = await startInstance(path, {
      ...REPLICA,
      RS_BUCKET_1_NAME: 'provisioned',
      RS_TOKEN_1_NAME: 'guest',
      RS_TOKEN_1_VALUE: 'guest-value',
      RS_TOKEN_1_READ: TEST_BUCKET,
    });
  });

  afterAll(async () => {
    await instance.stop();
    await rm(path, { recursive: true, force: true });
  });

  test('every method that changes something has a refusal', () => {
    const changing = ENDPOINT_ROWS.filter(({ method }) => method !== 'GET' && method !== 'HEAD');
    const served = changing.filter(isServed).map(({ method, target }) => `${method} ${target}`);
    expect([...new Set(served)].toSorted()).toEqual([
      'DELETE entry', // of attachments: 422 for everybody
      'DELETE entryQuery',
      'POST entryQuery',
      'POST ioQuery',
      'POST link',
    ]);
  });

  for (const row of ENDPOINT_ROWS) {
    const verb = isServed(row) ? 'is served' : 'is refused';
    test(`${row.method} ${row.path(1)} (${row.need}) ${verb}`, async () => {
      expect(await answerTo(instance, row)).toEqual(expectedAnswer(row));
    });
  }

  test('a caller who may not change anything anywhere is told so first', async () => {
    for (const row of ENDPOINT_ROWS) {
      if (row.need !== 'W' && row.need !== 'F') continue;
      const lack = row.need === 'F' ? 'full access' : `write access to bucket '${TEST_BUCKET}'`;
      expect(await answerTo(instance, row, 'Bearer reader-value')).toEqual({
        status: 403,
        error: `Token 'reader' doesn't have ${lack}`,
      });
    }
  });

  test('records, buckets, tokens and the role are read as they are', async () => {
    const { api } = instance;
    const [small, large] = await api.readAll(TEST_BUCKET, 'entry');
    expect(small?.payload.toString()).toBe('x');
    expect(large?.payload.equals(Buffer.alloc(3 << 20, 7))).toBe(true);
    const { instance_role, bucket_count } = JSON.parse((await api.ok('GET', '/info')).text);
    // $system was written by the instance before; the bucket of the environment was not made.
    expect({ instance_role, bucket_count }).toEqual({ instance_role: 'REPLICA', bucket_count: 2 });
    const { tokens } = JSON.parse((await api.ok('GET', '/tokens')).text);
    const names = tokens.map(({ name }: { name: string }) => name);
    expect(names).toEqual(['guest', 'init-token', 'reader']);
    expect((await api.ok('GET', '/lifecycles')).text).toBe('{"lifecycles":[]}');
    expect((await api.ok('GET', '/replications')).text).toBe('{"replications":[]}');
  });

  test('a batch is refused as a whole, so that a source keeps it, and so is a large record', async () => {
    const { api } = instance;
    const record = { ts: 9n, payload: Buffer.from('new'), labels: {} };
    const batch = await api.writeBatch(TEST_BUCKET, 'entry', [record]);
    expect([batch.status, batch.error]).toEqual([403, STORAGE]);
    expect(batch.headers['x-reduct-error-9']).toBeUndefined();
    const large = { ...record, payload: Buffer.alloc(3 << 20) };
    const answer = await api.write(TEST_BUCKET, 'entry', large);
    expect([answer.status, answer.error]).toEqual([403, STORAGE]);
  });

  test('nothing in the store has changed after all that, and another role goes on with it', async () => {
    await instance.stop();
    expect(await storedRows(path)).toEqual(before);
    const writer = await startInstance(path, { RS_SYSTEM_EVENTS_ENABLED: 'false' });
    await writer.api.ok('POST', `/b/${TEST_BUCKET}/entry?ts=3`, {}, 'y');
    const { replications } = JSON.parse((await writer.api.ok('GET', '/replications')).text);
    expect(replications[0].name).toBe('task');
    await writer.stop();
    instance = await startInstance(path, REPLICA);
    expect((await instance.api.ok('GET', `/b/${TEST_BUCKET}/entry?ts=3`)).text).toBe('y');
  });
});

test('without authentication changes are refused, too', async () => {
  await withTempDir(async (path) => {
    const writer = await startInstance(path);
    await writer.api.ok('POST', '/b/bucket');
    await writer.stop();
    const reader = await startInstance(path, { ...REPLICA, RS_DISABLE_AUTH: 'true' });
    try {
      const answer = await reader.api.call('POST', '/b/bucket/entry?ts=1', {}, 'x');
      expect([answer.status, answer.error]).toEqual([403, STORAGE]);
      expect((await reader.api.call('DELETE', '/b/bucket')).error).toBe(STORAGE);
    } finally {
      await reader.stop();
    }
  });
});

test('a folder without a store is refused and stays empty', async () => {
  await withTempDir(async (path) => {
    await expect(startInstance(path, REPLICA)).rejects.toThrow(
      `The data folder ${path} holds no store`,
    );
    await expect(startInstance(join(path, 'missing'), REPLICA)).rejects.toThrow('holds no store');
    expect(await readdir(path)).toEqual([]);
  });
});

test('a folder in use is refused', async () => {
  await withInstance(async ({ dataPath }) => {
    await expect(startInstance(dataPath, REPLICA)).rejects.toThrow('in use by another process');
  });
});
