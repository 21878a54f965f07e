import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EngineFixture, newVault } from '../lib/engine-fixture.ts';

const URL_TEXT = 'http://127.0.0.1:1/';

let fixture: EngineFixture;

beforeEach(async () => {
  fixture = await EngineFixture.open();
});

afterEach(async () => {
  await fixture.close();
});

function body(changes: object = {}): string {
  return JSON.stringify({ src_bucket: 'src', dst_bucket: 'dst', dst_host: URL_TEXT, ...changes });
}

async function refusal(promise: Promise<unknown>): Promise<[number, string]> {
  try {
    await promise;
  } catch (error) {
    const { status, message } = error as { status: number; message: string };
    return [status, message];
  }
  throw new Error('it was not refused');
}

describe('creating a task', () => {
  const cases: [string, string, string, [number, string]][] = [
    [
      'broken JSON',
      't',
      '{',
      [422, 'Invalid JSON: EOF while parsing an object at line 1 column 1'],
    ],
    ['a missing member', 't', '{}', [422, 'Invalid JSON: missing field `src_bucket`']],
    ['a name in use', 'used', body({ dst_host: '' }), [409, "Replication 'used' already exists"]],
    [
      'a bad name',
      'a/b',
      body(),
      [422, "Replication name can contain only letters, digits, '-' and '_'"],
    ],
    [
      'a bad URL',
      't',
      body({ dst_host: 'x', src_bucket: 'no' }),
      [422, "Invalid destination host 'x'"],
    ],
    [
      'an unknown source bucket',
      't',
      body({ src_bucket: 'no' }),
      [404, "Source bucket 'no' for replication 't' does not exist"],
    ],
    [
      'the same bucket',
      't',
      body({ dst_bucket: 'src', dst_host: 'http://localhost:8383', when: { $foo: 1 } }),
      [422, 'Source and destination buckets must be different'],
    ],
    [
      'an unknown operator',
      't',
      body({ when: { $foo: [1] } }),
      [422, "Invalid replication condition: Operator '$foo' not supported"],
    ],
    [
      'a bad value of a directive',
      't',
      body({ when: { '#ctx_before': -1 } }),
      [422, '#ctx_before must be non-negative'],
    ],
  ];

  test.each(cases)('is refused for %s', async (_what, name, text, expected) => {
    await fixture.service.create('used', body());
    expect(await refusal(fixture.service.create(name, text))).toEqual(expected);
  });

  test('is atomic: of two at once with one name, one is refused', async () => {
    const both = await Promise.allSettled([
      fixture.service.create('t', body()),
      fixture.service.create('t', body()),
    ]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(fixture.store.load()).toHaveLength(1);
  });

  test('never gives an id twice', async () => {
    await fixture.service.create('a', body());
    await fixture.service.remove('a');
    await fixture.service.create('b', body());
    expect(fixture.store.load().map(({ task }) => task.id)).toEqual([2]);
  });

  test('leaves nothing behind when the store refuses', async () => {
    fixture.store.failure = new Error('disk full');
    await expect(fixture.service.create('t', body())).rejects.toThrow('disk full');
    fixture.store.failure = null;
    await fixture.service.create('t', body());
  });
});

describe('answers', () => {
  test('of a list and a detail are those of the contract, member for member', async () => {
    await fixture.service.create(
      'b',
      body({ mode: 'disabled', when: { '10': { $eq: 1 }, '&a': { $gt: 2 } } }),
    );
    await fixture.service.create('a', body());
    const info = '"mode":"enabled","is_active":true,"is_provisioned":false,"pending_records":0';
    const off = '"mode":"disabled","is_active":false,"is_provisioned":false,"pending_records":0';
    expect(await fixture.service.list(false)).toBe(
      `{"replications":[{"name":"a",${info}},{"name":"b",${off}}]}`,
    );
    expect(await fixture.service.detail('a', false)).toBe(
      `{"info":{"name":"a",${info}},"settings":{"src_bucket":"src","dst_bucket":"dst",` +
        `"dst_host":"${URL_TEXT}","dst_token":null,"entries":[],"dst_prefix":"","when":null,` +
        '"mode":"enabled","compression":"none"},' +
        '"diagnostics":{"hourly":{"ok":0,"errored":0,"errors":{}}}}',
    );
  });

  test('show the condition as it was sent, with integer-like keys in their place', async () => {
    const when = '{"&z":{"$eq":2.0},"10":{"$eq":9007199254740993}}';
    const text = body().replace('}', `,"when":${when}}`);
    await fixture.service.create('t', text);
    expect(await fixture.service.detail('t', false)).toContain(`"when":${when},`);
  });

  test('never show the token', async () => {
    await fixture.service.create('t', body({ dst_token: 'secret' }));
    const texts = [await fixture.service.detail('t', true), await fixture.service.list(true)];
    expect(texts.join()).not.toContain('secret');
    expect(JSON.parse(texts[0] ?? '').extended.has_token).toBe(true);
  });

  test('of unknown names are 404', async () => {
    const expected = [404, "Replication 'x' does not exist"];
    expect(await refusal(fixture.service.detail('x', false))).toEqual(expected);
    expect(await refusal(fixture.service.update('x', body()))).toEqual(expected);
    expect(await refusal(fixture.service.setMode('x', '{"mode":"paused"}'))).toEqual(expected);
    expect(await refusal(fixture.service.remove('x'))).toEqual(expected);
  });
});

describe('updating a task', () => {
  test('replaces everything but the token and filters that were not sent', async () => {
    const old = { dst_token: 'secret', include: { a: '1' }, mode: 'paused', dst_prefix: 'p' };
    await fixture.service.create('t', body(old));
    await fixture.service.update('t', body({ entries: ['x'] }));
    const [stored] = fixture.store.load();
    expect(stored?.task.settings).toMatchObject({
      dstToken: 'secret',
      include: { a: '1' },
      mode: 'enabled',
      dstPrefix: '',
      entries: ['x'],
    });
  });

  test('is refused with the checks of creation, and changes nothing then', async () => {
    await fixture.service.create('t', body());
    const text = body({ src_bucket: 'no' });
    expect(await refusal(fixture.service.update('t', text))).toEqual([
      404,
      "Source bucket 'no' for replication 't' does not exist",
    ]);
    expect(await fixture.service.detail('t', false)).toContain('"src_bucket":"src"');
  });
});

describe('the token of a task', () => {
  const OTHER = 'http://127.0.0.1:2/';

  test.each([
    ['another port', OTHER],
    ['another host', 'http://localhost:1/'],
    ['another scheme', 'https://127.0.0.1:1/'],
    ['another path', 'http://127.0.0.1:1/base'],
  ])('is not sent to %s without being given again', async (_what, dstHost) => {
    await fixture.service.create('t', body({ dst_token: 'secret' }));
    for (const kept of [{}, { dst_token: null }, { dst_token: '***' }]) {
      const text = body({ dst_host: dstHost, ...kept });
      const [status, message] = await refusal(fixture.service.update('t', text));
      expect(status).toBe(422);
      expect(message).toBe(
        `The stored token was given for 'http://127.0.0.1:1' and is not sent to '${dstHost.replace(/\/$/, '')}': ` +
          'give dst_token again, or "" for none',
      );
    }
    expect(fixture.store.load()[0]?.task.settings.dstHost).toBe(URL_TEXT);
    await fixture.service.update('t', body({ dst_host: dstHost, dst_token: 'other' }));
    expect(fixture.store.load()[0]?.task.settings).toMatchObject({ dstHost, dstToken: 'other' });
    await fixture.service.update('t', body({ dst_host: URL_TEXT, dst_token: '' }));
    expect(fixture.store.load()[0]?.task.settings.dstToken).toBeNull();
  });

  test('may stay when the URL is written in another way', async () => {
    await fixture.service.create('t', body({ dst_token: 'secret' }));
    await fixture.service.update('t', body({ dst_host: 'HTTP://user@127.0.0.1:1?x' }));
    expect(fixture.store.load()[0]?.task.settings.dstToken).toBe('secret');
  });

  test('that is not there does not hinder a change of the URL', async () => {
    await fixture.service.create('t', body());
    await fixture.service.update('t', body({ dst_host: OTHER }));
    expect(fixture.store.load()[0]?.task.settings.dstHost).toBe(OTHER);
  });

  test('without its key stops the task, visibly, until it is given again', async () => {
    await fixture.service.create('t', body({ dst_token: 'secret' }));
    fixture.store.vault = newVault('22'.repeat(32));
    await fixture.restart();
    const detail = await fixture.detail('t', true);
    expect(detail.info).toMatchObject({ mode: 'enabled', is_active: false });
    expect(detail.extended).toMatchObject({
      has_token: true,
      last_error: {
        code: 422,
        message: expect.stringMatching(/cannot be decrypted: .*give dst_token again/),
      },
    });
    // Neither a mode nor settings without the token take it away, or start the task.
    await fixture.service.setMode('t', '{"mode":"disabled"}');
    await fixture.service.setMode('t', '{"mode":"enabled"}');
    await fixture.service.update('t', body());
    expect((await fixture.detail('t')).info.is_active).toBe(false);
    const moved = refusal(fixture.service.update('t', body({ dst_host: OTHER })));
    expect((await moved)[0]).toBe(422);
    await fixture.service.update('t', body({ dst_token: 'again' }));
    expect((await fixture.detail('t', true)).info.is_active).toBe(true);
    expect(fixture.store.load()[0]?.task.settings.dstToken).toBe('again');
  });

  test('is back when its key is back', async () => {
    await fixture.service.create('t', body({ dst_token: 'secret' }));
    const { vault } = fixture.store;
    fixture.store.vault = newVault('22'.repeat(32));
    await fixture.restart();
    await fixture.service.setMode('t', '{"mode":"paused"}');
    fixture.store.vault = vault;
    await fixture.restart();
    expect(fixture.store.load()[0]?.task.settings.dstToken).toBe('secret');
    expect((await fixture.detail('t', true)).extended.last_error).toBeNull();
  });

  test('is encrypted anew at the start after a change of keys', async () => {
    await fixture.service.create('t', body({ dst_token: 'secret' }));
    fixture.store.vault = newVault('22'.repeat(32), '11'.repeat(32));
    await fixture.restart();
    fixture.store.vault = newVault('22'.repeat(32));
    const [loaded] = fixture.store.load();
    expect(loaded?.task.settings.dstToken).toBe('secret');
  });
});

describe('members that nobody knows', () => {
  test.each([
    ['on creation', async () => fixture.service.create('t', body({ onlyLabels: ['a'] }))],
    [
      'on an update',
      async () => {
        await fixture.service.create('t', body());
        await fixture.service.update('t', body({ onlyLabels: ['a'] }));
      },
    ],
  ])('stop the task visibly %s, over a restart, until a PUT without them', async (_what, make) => {
    await make();
    fixture.write('e', [1, 2]);
    await fixture.restart();
    fixture.write('e', [3]);
    const reason = expect.stringMatching(
      /^unknown settings 'onlyLabels': .* PUT the settings without/,
    );
    for (const mode of ['paused', 'enabled']) {
      await fixture.service.setMode('t', JSON.stringify({ mode }));
      const detail = await fixture.detail('t', true);
      expect(detail.info).toMatchObject({ mode, is_active: false, pending_records: 3 });
      expect(detail.settings).not.toHaveProperty('onlyLabels');
      expect(detail.diagnostics.hourly.errors).toEqual({
        422: { count: 1, last_message: reason },
      });
      expect(detail.extended.last_error).toEqual({ code: 422, message: reason, time: null });
    }
    await fixture.service.update('t', body());
    const detail = await fixture.detail('t', true);
    expect(detail.info.is_active).toBe(true);
    expect(detail.info.pending_records).toBe(3);
  });

  test('are not meant where they are copies in camel case, or null', async () => {
    const copies = {
      srcBucket: 'src',
      dstBucket: 'dst',
      dstHost: URL_TEXT,
      dstToken: '',
      eachN: 1,
    };
    const others = { eachS: 2, dstPrefix: 'p', future: null };
    await fixture.service.create('t', body({ ...copies, ...others }));
    const { info, settings } = await fixture.detail('t');
    expect(info.is_active).toBe(true);
    expect(settings).toEqual({
      src_bucket: 'src',
      dst_bucket: 'dst',
      dst_host: URL_TEXT,
      dst_token: null,
      entries: [],
      dst_prefix: '',
      when: null,
      mode: 'enabled',
      compression: 'none',
    });
  });

  test('are kept in bounds', async () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}`.repeat(90), 1]));
    await fixture.service.create('t', body(many));
    const [stored] = fixture.store.load();
    expect(stored?.task.settings.unknownMembers).toHaveLength(8);
    expect(JSON.stringify(stored?.task.settings.unknownMembers).length).toBeLessThan(600);
  });
});

test('a stored task whose condition cannot be compiled stands still and says why', async () => {
  await fixture.service.create('t', body());
  const [stored] = fixture.store.load();
  if (stored === undefined) throw new Error('nothing stored');
  const settings = { ...stored.task.settings, whenText: '{"$gone":[1]}' };
  const { cursor } = stored;
  await fixture.store.save({ ...stored.task, settings }, { cursor, deadLetters: [], ranges: [] });
  await fixture.restart();
  const detail = await fixture.detail('t', true);
  expect(detail.info).toMatchObject({ mode: 'enabled', is_active: false });
  expect(detail.extended.last_error.message).toContain("Operator '$gone' not supported");
});
