/** The management of replications against a running server, line by line (replication §1.1–1.8, §11, §12 items 1 to 3). */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Api } from '../lib/api.ts';
import { Api as ApiClient } from '../lib/api.ts';
import { startInstance, TEST_TOKEN } from '../lib/instance.ts';
import type { RunningInstance } from '../lib/instance.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Nobody answers there. */
const DEAD = 'http://127.0.0.1:1';
const SECRET = 'the-token-of-the-target';

let folder: string;
let instance: RunningInstance;
let api: Api;
let name = '';
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  instance = await startInstance(join(folder, 'data'));
  ({ api } = instance);
  for (const bucket of ['src', 'example-bucket', 'my-bucket', 'src-bucket']) {
    await api.ok('POST', `/b/${bucket}`, {}, '{}');
  }
});

afterAll(async () => {
  await instance.stop();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(() => {
  name = `r${++count}`;
});

function body(changes: object = {}): string {
  return JSON.stringify({ src_bucket: 'src', dst_bucket: 'b', dst_host: DEAD, ...changes });
}

/** Status and text of a failure, in the form that every failure has (replication §1.1). */
async function failure(
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  text?: string,
  using: Api = api,
): Promise<[number, string]> {
  const answer = await using.call(method, path, {}, text);
  expect(answer.headers['x-reduct-api']).toMatch(/^\d+\.\d+$/);
  expect(answer.headers['server']).toBeDefined();
  expect(answer.headers['content-type']).toBe('application/json');
  expect(JSON.parse(answer.text)).toEqual({ detail: answer.error.replaceAll('"', "'") });
  expect(answer.text + answer.error).not.toContain(SECRET);
  return [answer.status, answer.error];
}

async function done(
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  text?: string,
): Promise<void> {
  const answer = await api.call(method, path, {}, text);
  expect([answer.status, answer.error, answer.text]).toEqual([200, '', '']);
  expect(answer.headers['x-reduct-api']).toMatch(/^\d+\.\d+$/);
}

async function text(path: string): Promise<string> {
  return (await api.ok('GET', path)).text;
}

async function settings(): Promise<Record<string, unknown>> {
  return JSON.parse(await text(`/replications/${name}`)).settings;
}

describe('answers', () => {
  test('of list and detail have exactly the members of the contract, in their order', async () => {
    await done(
      'POST',
      `/replications/${name}`,
      body({ dst_host: 'http://localhost:9000', mode: 'paused' }),
    );
    const info = `{"name":"${name}","mode":"paused","is_active":false,"is_provisioned":false,"pending_records":0}`;
    expect(await text('/replications')).toContain(info);
    expect(await text(`/replications/${name}`)).toBe(
      `{"info":${info},"settings":{"src_bucket":"src","dst_bucket":"b","dst_host":"http://localhost:9000",` +
        '"dst_token":null,"entries":[],"dst_prefix":"","when":null,"mode":"paused","compression":"none"},' +
        '"diagnostics":{"hourly":{"ok":0,"errored":0,"errors":{}}}}',
    );
    expect(await text('/replications/')).toBe(await text('/replications'));
    expect(await text(`/replications/${name}/`)).toBe(await text(`/replications/${name}`));
  });

  test('say that a new task to a dead port is active, sorted by name', async () => {
    await done('POST', '/replications/zz-last', body());
    await done('POST', '/replications/aa-first', body());
    const { replications } = JSON.parse(await text('/replications'));
    const names: string[] = replications.map((task: { name: string }) => task.name);
    expect(names).toEqual(names.toSorted((a, b) => (a < b ? -1 : 1)));
    await done('DELETE', '/replications/zz-last');
    await done('DELETE', '/replications/aa-first');
  });

  test('give settings back as they were sent, the condition with its order and numbers', async () => {
    const when = '{"10":{"$eq":9007199254740993},"&b":{"$gt":1.0}}';
    await done(
      'POST',
      `/replications/${name}`,
      `{"src_bucket":"src","dst_bucket":"b","dst_host":"http://Host:80/base","entries":["a","!b"],"when":${when},"dst_prefix":"p","compression":"zstd","mode":"disabled"}`,
    );
    expect(await text(`/replications/${name}`)).toContain(
      `"dst_host":"http://Host:80/base","dst_token":null,"entries":["a","!b"],"dst_prefix":"p","when":${when},"mode":"disabled","compression":"zstd"}`,
    );
  });

  test('have additions behind ext=1 only', async () => {
    await done('POST', `/replications/${name}`, body({ dst_token: SECRET, mode: 'disabled' }));
    expect(JSON.parse(await text(`/replications/${name}?ext=1`)).extended.has_token).toBe(true);
    expect(JSON.parse(await text('/replications?ext=1')).replications[0]).toHaveProperty(
      'extended',
    );
    for (const path of ['/replications', `/replications/${name}`]) {
      expect(await text(path)).not.toContain('extended');
      expect(await text(`${path}?ext=1`)).not.toContain(SECRET);
    }
  });
});

describe('permission', () => {
  const routes = [
    ['GET', '/replications'],
    ['POST', '/replications/any'],
    ['GET', '/replications/any'],
    ['PUT', '/replications/any'],
    ['PATCH', '/replications/any/mode'],
    ['DELETE', '/replications/any'],
  ] as const;

  test.each(routes)('is needed for %s %s', async (method, path) => {
    await api.call(
      'POST',
      '/tokens/limited',
      {},
      '{"full_access":false,"read":["*"],"write":["*"]}',
    );
    await api.call('DELETE', '/tokens/limited');
    const created = await api.ok(
      'POST',
      '/tokens/limited',
      {},
      '{"full_access":false,"read":["*"],"write":["*"]}',
    );
    const limited = new ApiClient(instance.url, JSON.parse(created.text).value);
    const unknown = new ApiClient(instance.url, 'wrong');
    const none = new ApiClient(instance.url);
    // Whatever the body is: nothing is read before the token was looked at.
    const sent = method === 'GET' || method === 'DELETE' ? undefined : '{';
    expect(await failure(method, path, sent, none)).toEqual([
      401,
      'No bearer token in request header',
    ]);
    expect(await failure(method, path, sent, unknown)).toEqual([401, 'Invalid token']);
    expect(await failure(method, path, sent, limited)).toEqual([
      403,
      "Token 'limited' doesn't have full access",
    ]);
    await Promise.all([limited.close(), unknown.close(), none.close()]);
  });
});

describe('creation is refused', () => {
  beforeEach(async () => {
    await api.call('POST', '/replications/used', {}, body({ mode: 'disabled' }));
  });

  const empty = JSON.stringify({ src_bucket: '', dst_bucket: '', dst_host: '' });
  const cases: [string, string, string, number, string | RegExp][] = [
    ['broken JSON', 'n', '{"src_bucket":', 422, /^Invalid JSON: EOF while parsing/],
    ['no JSON', 'n', 'src_bucket=a', 422, 'Invalid JSON: expected value at line 1 column 1'],
    ['no object', 'n', '[]', 422, /^Invalid JSON: invalid type: sequence, expected struct/],
    [
      'a missing member',
      'n',
      '{"src_bucket":"src","dst_bucket":"b"}',
      422,
      'Invalid JSON: missing field `dst_host`',
    ],
    [
      'null for a required member',
      'n',
      body({ dst_host: null }),
      422,
      /^Invalid JSON: invalid type: null, expected a string/,
    ],
    [
      'a wrong type',
      'n',
      body({ entries: 'a' }),
      422,
      /^Invalid JSON: invalid type: string, expected a sequence/,
    ],
    [
      'an unknown mode',
      'n',
      body({ mode: 'Enabled' }),
      422,
      /^Invalid JSON: unknown variant `Enabled`, expected one of `enabled`, `paused`, `disabled`/,
    ],
    [
      'an unknown compression',
      'n',
      body({ compression: 'lz4' }),
      422,
      /^Invalid JSON: unknown variant `lz4`, expected one of `none`, `zstd`, `gzip`/,
    ],
    ['each_n of 0', 'n', body({ each_n: 0 }), 422, /^Invalid JSON: .*each_n/],
    ['a negative each_s', 'n', body({ each_s: -1 }), 422, /^Invalid JSON: .*each_s/],
    [
      'a name in use, whatever the values are',
      'used',
      empty,
      409,
      "Replication 'used' already exists",
    ],
    [
      'a path as a name',
      '..%2Fx',
      body(),
      422,
      "Replication name can contain only letters, digits, '-' and '_'",
    ],
    ['an empty URL', 'n', empty, 422, "Invalid destination host ''"],
    [
      'a URL without scheme',
      'n',
      body({ dst_host: 'target' }),
      422,
      "Invalid destination host 'target'",
    ],
    [
      'another scheme',
      'n',
      body({ dst_host: 'localhost:8383' }),
      422,
      "Invalid destination host 'localhost:8383'",
    ],
    [
      'a bad URL before a missing bucket',
      'n',
      body({ dst_host: 'x', src_bucket: 'no' }),
      422,
      "Invalid destination host 'x'",
    ],
    [
      'a missing bucket',
      'n',
      body({ src_bucket: 'no' }),
      404,
      "Source bucket 'no' for replication 'n' does not exist",
    ],
    [
      'a missing bucket before a bad condition',
      'n',
      body({ src_bucket: 'no', when: { $foo: [1] } }),
      404,
      "Source bucket 'no' for replication 'n' does not exist",
    ],
    [
      'an operator',
      'n',
      body({ when: { $foo: [1] } }),
      422,
      "Invalid replication condition: Operator '$foo' not supported",
    ],
    [
      'a directive',
      'n',
      body({ when: { '#foo': 1 } }),
      422,
      "Invalid replication condition: Directive '#foo' is not supported",
    ],
    [
      'a value of a directive',
      'n',
      body({ when: { '#ctx_before': -1 } }),
      422,
      '#ctx_before must be non-negative',
    ],
  ];

  test.each(cases)('for %s', async (_what, task, sent, status, expected) => {
    const [found, error] = await failure('POST', `/replications/${task}`, sent);
    expect(found).toBe(status);
    if (typeof expected === 'string') expect(error).toBe(expected);
    else expect(error).toMatch(expected);
    expect((await api.call('GET', '/replications/n')).status).toBe(404);
  });

  test('for its own bucket, under all names of this machine that the URL can have', async () => {
    const { port } = new URL(instance.url);
    for (const host of ['localhost', '127.0.0.1', '0.0.0.0', '[::1]', '127.1']) {
      const same = body({ dst_bucket: 'src', dst_host: `http://${host}:${port}` });
      expect(await failure('POST', `/replications/${name}`, same)).toEqual([
        422,
        'Source and destination buckets must be different',
      ]);
    }
    await done('POST', `/replications/${name}`, body({ dst_host: instance.url, mode: 'disabled' }));
  });

  test('but not for null where a default is meant, an empty condition, or members nobody needs', async () => {
    const nulls = {
      entries: null,
      include: null,
      exclude: null,
      each_n: null,
      each_s: null,
      when: null,
      mode: null,
      dst_prefix: null,
      compression: null,
      dst_token: null,
    };
    await done('POST', `/replications/${name}`, body(nulls));
    expect(await settings()).toEqual({
      src_bucket: 'src',
      dst_bucket: 'b',
      dst_host: DEAD,
      dst_token: null,
      entries: [],
      dst_prefix: '',
      when: null,
      mode: 'enabled',
      compression: 'none',
    });
    await done('PUT', `/replications/${name}`, body({ when: {} }));
    expect((await settings())['when']).toEqual({});
  });
});

describe('an update', () => {
  test('of an unknown task is 404, whatever the values are', async () => {
    const empty = JSON.stringify({ src_bucket: '', dst_bucket: '', dst_host: '' });
    const expected = [404, "Replication 'nobody' does not exist"];
    expect(await failure('PUT', '/replications/nobody', empty)).toEqual(expected);
    expect(await failure('GET', '/replications/nobody')).toEqual(expected);
    expect(await failure('DELETE', '/replications/nobody')).toEqual(expected);
    expect(await failure('PATCH', '/replications/nobody/mode', '{"mode":"paused"}')).toEqual(
      expected,
    );
  });

  test('has the checks of creation, and a refused one changes nothing', async () => {
    await done('POST', `/replications/${name}`, body({ entries: ['a'], mode: 'paused' }));
    const before = await text(`/replications/${name}`);
    for (const [changes, status] of [
      [{ dst_host: 'x' }, 422],
      [{ src_bucket: 'no' }, 404],
      [{ when: { $foo: [1] } }, 422],
      [{ each_n: 0 }, 422],
    ] as const) {
      expect((await failure('PUT', `/replications/${name}`, body(changes)))[0]).toBe(status);
    }
    expect(await text(`/replications/${name}`)).toBe(before);
  });

  test('replaces everything but era A members, which it keeps unless they are named', async () => {
    const eraA = { include: { a: '1' }, exclude: { b: '2' }, each_n: 3, each_s: 0.5 };
    const eraB = {
      entries: ['x'],
      when: { '&a': { $eq: 1 } },
      mode: 'paused',
      dst_prefix: 'p',
      compression: 'gzip',
    };
    await done('POST', `/replications/${name}`, body({ ...eraA, ...eraB }));
    expect(await settings()).toMatchObject({ ...eraA, ...eraB });
    await done('PUT', `/replications/${name}`, body());
    expect(await settings()).toEqual({
      src_bucket: 'src',
      dst_bucket: 'b',
      dst_host: DEAD,
      dst_token: null,
      entries: [],
      dst_prefix: '',
      when: null,
      mode: 'enabled',
      compression: 'none',
      ...eraA,
    });
    await done('PUT', `/replications/${name}`, body({ include: {}, exclude: null, each_n: null }));
    const left = await settings();
    expect(left).toMatchObject({ each_s: 0.5 });
    for (const gone of ['include', 'exclude', 'each_n']) expect(left).not.toHaveProperty(gone);
  });

  test('keeps the token for null, nothing and asterisks, and takes it away for an empty text', async () => {
    const hasToken = async () =>
      JSON.parse(await text(`/replications/${name}?ext=1`)).extended.has_token;
    await done('POST', `/replications/${name}`, body({ dst_token: SECRET, mode: 'disabled' }));
    for (const kept of [{}, { dst_token: null }, { dst_token: '***' }]) {
      await done('PUT', `/replications/${name}`, body({ ...kept, mode: 'disabled' }));
      expect(await hasToken()).toBe(true);
    }
    await done('PUT', `/replications/${name}`, body({ dst_token: '', mode: 'disabled' }));
    expect(await hasToken()).toBe(false);
  });

  test('of the mode is another route, which refuses what is no mode', async () => {
    await done('POST', `/replications/${name}`, body({ include: { a: '1' } }));
    for (const mode of ['paused', 'disabled', 'enabled']) {
      await done('PATCH', `/replications/${name}/mode`, JSON.stringify({ mode }));
      expect(JSON.parse(await text(`/replications/${name}`)).info.mode).toBe(mode);
      expect(await settings()).toMatchObject({ mode, include: { a: '1' } });
    }
    expect(await failure('PATCH', `/replications/${name}/mode`, '{}')).toEqual([
      422,
      'Invalid JSON: missing field `mode`',
    ]);
    expect((await failure('PATCH', `/replications/${name}/mode`, '{"mode":"on"}'))[1]).toMatch(
      /^Invalid JSON: unknown variant `on`/,
    );
    expect((await failure('PATCH', `/replications/${name}/mode`, ''))[0]).toBe(422);
  });
});

test('legacy answers are given to those who create in the old form, and only to them', async () => {
  const old = { dst_token: SECRET, include: { a: '1' }, exclude: {}, each_n: null, each_s: null };
  await done('POST', `/replications/${name}`, body(old));
  const legacy = { dst_token: '***', include: { a: '1' }, exclude: {}, each_n: null, each_s: null };
  expect(await settings()).toMatchObject(legacy);
  // An echo of what was read changes nothing.
  await done('PUT', `/replications/${name}`, body({ ...old, dst_token: '***' }));
  expect(await settings()).toMatchObject(legacy);
  await done('PUT', `/replications/${name}`, body({ mode: 'enabled' }));
  const modern = await settings();
  expect(modern['dst_token']).toBeNull();
  expect(modern).not.toHaveProperty('exclude');
});

describe('requests of the examples people copy', () => {
  const bearer = { authorization: `Bearer ${TEST_TOKEN}` };

  test('cURL: a form content type, four members, a slash behind the URL', async () => {
    const headers = { ...bearer, 'content-type': 'application/x-www-form-urlencoded' };
    const sent =
      '{"src_bucket":"example-bucket","dst_bucket":"demo","dst_host":"http://127.0.0.1:1/","dst_token":"demo"}';
    expect((await api.call('POST', '/replications/my_replication', headers, sent)).status).toBe(
      200,
    );
    const { settings: shown } = JSON.parse(await text('/replications/my_replication'));
    expect(shown.dst_host).toBe('http://127.0.0.1:1/');
    expect((await api.call('GET', '/replications/', bearer)).status).toBe(200);
    expect((await api.call('DELETE', '/replications/my_replication', bearer)).status).toBe(200);
  });

  const examples: [string, string, object, object][] = [
    [
      'Python',
      'my-replication',
      {
        src_bucket: 'my-bucket',
        dst_bucket: 'demo',
        dst_host: DEAD,
        dst_token: '',
        entries: ['py-example'],
        include: { anomaly: '1' },
        exclude: {},
        each_s: null,
        each_n: null,
      },
      {
        dst_token: '***',
        include: { anomaly: '1' },
        exclude: {},
        each_n: null,
        each_s: null,
        entries: ['py-example'],
      },
    ],
    [
      'JavaScript',
      'my-replication',
      {
        srcBucket: 'my-bucket',
        src_bucket: 'my-bucket',
        dstBucket: 'demo',
        dst_bucket: 'demo',
        dstHost: DEAD,
        dst_host: DEAD,
        dstToken: 'demo',
        dst_token: 'demo',
        entries: ['js-example'],
        include: { anomaly: '1' },
      },
      { include: { anomaly: '1' }, entries: ['js-example'] },
    ],
    [
      'Rust, where the task is called like the bucket',
      'my-bucket',
      {
        src_bucket: 'my-bucket',
        dst_bucket: 'demo',
        dst_host: DEAD,
        dst_token: 'demo',
        entries: ['rs-example'],
        include: { anomaly: '1' },
        exclude: {},
        each_n: null,
        each_s: null,
        when: null,
      },
      { include: { anomaly: '1' }, when: null },
    ],
    [
      'Rust 1.20, which compares what it sent',
      'my-replication',
      {
        src_bucket: 'my-bucket',
        dst_bucket: 'demo',
        dst_host: DEAD,
        dst_token: '',
        entries: [],
        include: {},
        exclude: {},
        each_n: 1,
        each_s: 1.0,
        when: { $eq: ['&a', 1] },
        mode: 'enabled',
      },
      { each_n: 1, each_s: 1, when: { $eq: ['&a', 1] }, mode: 'enabled' },
    ],
    [
      'C++',
      'my-replication',
      {
        src_bucket: 'my-bucket',
        dst_bucket: 'demo',
        dst_host: DEAD,
        dst_token: 'demo',
        entries: ['cpp-example'],
        include: { anomaly: '1' },
        exclude: {},
      },
      { dst_token: '***', include: { anomaly: '1' }, exclude: {} },
    ],
    [
      'the CLI',
      'my-replication',
      {
        src_bucket: 'src-bucket',
        dst_bucket: 'demo',
        dst_host: `${DEAD}/`,
        dst_token: 'demo',
        entries: [],
        when: null,
        mode: 'enabled',
      },
      { dst_token: null, entries: [], when: null },
    ],
  ];

  test.each(examples)('%s', async (_who, task, sent, shown) => {
    await done('POST', `/replications/${task}`, JSON.stringify(sent));
    const detail = JSON.parse(await text(`/replications/${task}`));
    expect(detail.settings).toMatchObject(shown);
    expect(detail.info.is_active).toBe(true);
    const headers = { ...bearer, 'content-length': '0' };
    expect((await api.call('DELETE', `/replications/${task}`, headers)).status).toBe(200);
    expect(await failure('GET', `/replications/${task}`)).toEqual([
      404,
      `Replication '${task}' does not exist`,
    ]);
  });
});

test('requests with a slash behind the path are the same everywhere', async () => {
  await done('POST', `/replications/${name}/`, body());
  await done('PUT', `/replications/${name}/`, body());
  await done('PATCH', `/replications/${name}/mode/`, '{"mode":"paused"}');
  await done('DELETE', `/replications/${name}/`);
});
