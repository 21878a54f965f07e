/** Renames and bucket settings over real sockets (http-api §4.2, http-api-records §2.4). */
import { beforeAll, describe, expect, test } from 'vitest';
import { FrontClient } from '../lib/front-client.ts';
import { useFront } from '../lib/front-harness.ts';

const open = useFront();
let client: FrontClient;

beforeAll(async () => {
  client = new FrontClient(open());
  await client.api('POST', '/b/data');
});

describe('renaming an entry', () => {
  test('keeps records, descendants, and queries that are open', async () => {
    const entry = await client.newEntry([1, 2]);
    await client.api('POST', `/b/data/${entry}/sub?ts=1`, { body: 'x' });
    const created = await client.api('GET', `/b/data/${entry}/q`);
    const id = /\d+/.exec(created.body.toString())?.[0];
    const body = `{"new_name":"to/${entry}"}`;
    expect(await client.outcome('PUT', `/b/data/${entry}/rename`, { body })).toEqual([
      200,
      undefined,
    ]);
    expect(await client.timesOf(`to/${entry}`)).toEqual([1, 2]);
    expect((await client.outcome('GET', `/b/data/to/${entry}/sub?ts=1`))[0]).toBe(200);
    expect((await client.outcome('GET', `/b/data/to/${entry}/batch?q=${id}`))[0]).toBe(200);
    expect(await client.outcome('GET', `/b/data/${entry}`)).toEqual([
      404,
      `Entry '${entry}' not found in bucket 'data'`,
    ]);
  });

  test.each([
    ['{', 422, /^Invalid JSON: /],
    ['', 422, /^Invalid JSON: /],
    ['[]', 422, /^Invalid JSON: /],
    ['{}', 422, /^Invalid JSON: missing field `new_name`/],
    ['{"new_name":1}', 422, /^Invalid JSON: /],
    ['{"new_name":"x"}', 404, /^Entry 'none' not found in bucket 'data'$/],
    ['{"new_name":"none"}', 409, /^Entry 'none' already exists in bucket 'data'$/],
    ['{"new_name":""}', 422, /^Entry name must be non-empty/],
    ['{"new_name":"a//b"}', 422, /^Entry name must be non-empty/],
    ['{"new_name":"a.b"}', 422, /^Entry name can contain only letters/],
  ])('with %s is refused', async (body, status, error) => {
    const [got, text] = await client.outcome('PUT', '/b/data/none/rename', { body });
    expect([got, text]).toEqual([status, expect.stringMatching(error)]);
  });

  test('the target must not exist', async () => {
    const [from, to] = [await client.newEntry([1]), await client.newEntry([1])];
    const body = `{"new_name":"${to}"}`;
    expect(await client.outcome('PUT', `/b/data/${from}/rename`, { body })).toEqual([
      409,
      `Entry '${to}' already exists in bucket 'data'`,
    ]);
  });

  test('PUT on an entry without that ending is no path', async () => {
    expect(await client.outcome('PUT', '/b/data/e', { body: '{}' })).toEqual([404, 'Not found']);
  });
});

describe('settings of a bucket', () => {
  const settings = async (): Promise<unknown> =>
    (JSON.parse((await client.api('GET', '/b/conf')).body.toString()) as { settings: unknown })
      .settings;

  test('are merged: absent and null members stay', async () => {
    await client.api('POST', '/b/conf');
    const change = (body: string): Promise<unknown> => client.outcome('PUT', '/b/conf', { body });
    expect(await change('{"quota_type":"FIFO","quota_size":1000}')).toEqual([200, undefined]);
    expect(await change('{"max_block_records":7,"quota_type":null}')).toEqual([200, undefined]);
    expect(await change('')).toEqual([200, undefined]);
    expect(await settings()).toEqual({
      quota_type: 'FIFO',
      quota_size: 1000,
      max_block_size: 64_000_000,
      max_block_records: 7,
    });
  });

  test.each([
    ['/b/none', '{', 422, /^Invalid JSON: /],
    ['/b/none', '{"quota_type":"X"}', 422, /^Invalid JSON: /],
    ['/b/none', '{}', 404, /^Bucket 'none' is not found$/],
  ])('PUT %s %s is refused', async (path, body, status, error) => {
    const [got, text] = await client.outcome('PUT', path, { body });
    expect([got, text]).toEqual([status, expect.stringMatching(error)]);
  });

  test('of a provisioned bucket stay, and so does its name', async () => {
    await client.api('POST', '/b/fixed');
    client.front.inner.store.catalog.bucket('fixed').isProvisioned = true;
    expect(await client.outcome('PUT', '/b/fixed', { body: '{}' })).toEqual([
      409,
      "Can't change settings of provisioned bucket 'fixed'",
    ]);
    const request = {
      headers: { 'content-type': 'application/json' },
      body: '{"new_name":"other"}',
    };
    expect(await client.outcome('PUT', '/b/fixed/rename', request)).toEqual([
      409,
      "Can't rename provisioned bucket 'fixed'",
    ]);
  });
});

describe('renaming a bucket', () => {
  const rename = (name: string, body: string, type = 'application/json') =>
    client.outcome('PUT', `/b/${name}/rename`, { headers: { 'content-type': type }, body });

  test('moves everything', async () => {
    await client.api('POST', '/b/old');
    await client.api('POST', '/b/old/e?ts=1', { body: 'x' });
    const type = 'application/vnd.test+json; charset=utf-8';
    expect(await rename('old', '{"new_name":"new"}', type)).toEqual([200, undefined]);
    expect(await client.outcome('GET', '/b/old/e?ts=1')).toEqual([
      404,
      "Bucket 'old' is not found",
    ]);
    expect((await client.api('GET', '/b/new/e?ts=1')).body.toString()).toBe('x');
  });

  test.each(['text/plain', 'application/x-json', 'text/json', 'application/jsonp'])(
    'with a body of %s is 415, whatever else is wrong',
    async (type) => {
      expect(await rename('none', '{', type)).toEqual([
        415,
        'Expected request with `Content-Type: application/json`',
      ]);
    },
  );

  test('without a content type is 415', async () => {
    const [status] = await client.outcome('PUT', '/b/none/rename', { body: '{"new_name":"x"}' });
    expect(status).toBe(415);
  });

  test.each([
    ['{', 400, /^Failed to parse the request body as JSON: /],
    ['', 400, /^Failed to parse the request body as JSON: /],
    ['{}', 422, /^Failed to deserialize the JSON body into the target type: missing field/],
    ['[]', 422, /^Failed to deserialize the JSON body into the target type: /],
    ['{"new_name":1}', 422, /^Failed to deserialize the JSON body into the target type: /],
    ['{"new_name":"a.b"}', 422, /^Bucket or entry name can contain only letters, digests/],
    ['{"new_name":""}', 422, /^Bucket or entry name can contain only letters, digests/],
    ['{"new_name":"data"}', 409, /^Bucket 'data' already exists$/],
    ['{"new_name":"x"}', 404, /^Bucket 'none' is not found$/],
  ])('with %s is refused', async (body, status, error) => {
    expect(await rename('none', body)).toEqual([status, expect.stringMatching(error)]);
  });

  test('is all that this path knows', async () => {
    const response = await client.api('GET', '/b/data/rename');
    expect([response.status, response.header('allow')]).toEqual([405, 'PUT']);
  });
});
