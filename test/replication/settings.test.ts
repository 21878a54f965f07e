import { describe, expect, test } from 'vitest';
import { BugError } from '../../src/errors/errors.ts';
import {
  parseSettings,
  toDetailJson,
  type ReplicationSettings,
} from '../../src/replication/settings.ts';

const REQUIRED = { src_bucket: 'a', dst_bucket: 'b', dst_host: 'http://localhost:9000' };

function create(extra: object = {}, whenText: string | null = null): ReplicationSettings {
  return parseSettings({ ...REQUIRED, ...extra }, 'create', whenText);
}

function update(stored: ReplicationSettings, extra: object = {}): ReplicationSettings {
  return parseSettings({ ...REQUIRED, ...extra }, 'update', null, stored);
}

describe('creating', () => {
  test('members that are absent have the defaults of the contract', () => {
    expect(create()).toEqual({
      srcBucket: 'a',
      dstBucket: 'b',
      dstHost: 'http://localhost:9000',
      dstToken: null,
      lockedToken: null,
      unknownMembers: [],
      entries: [],
      dstPrefix: '',
      whenText: null,
      mode: 'enabled',
      compression: 'none',
      include: {},
      exclude: {},
      eachN: null,
      eachS: null,
      legacy: false,
      order: null,
      budget: null,
    });
  });

  test('null stands for the default of every optional member', () => {
    const nulls = {
      dst_token: null,
      entries: null,
      include: null,
      exclude: null,
      each_n: null,
      each_s: null,
      when: null,
      mode: null,
      dst_prefix: null,
      compression: null,
    };
    expect(create(nulls, 'null')).toEqual(create());
  });

  test('every member is taken over', () => {
    const all = {
      dst_token: 'secret',
      entries: ['sensor-*', '!sensor-2'],
      include: { anomaly: '1' },
      exclude: { status: 'ok' },
      each_n: 3,
      each_s: 0.5,
      when: { '&x': { $eq: 1 } },
      mode: 'paused',
      dst_prefix: 'edge/1',
      compression: 'zstd',
    };
    expect(create(all, '{"&x":{"$eq":1}}')).toMatchObject({
      dstToken: 'secret',
      entries: ['sensor-*', '!sensor-2'],
      include: { anomaly: '1' },
      exclude: { status: 'ok' },
      eachN: 3,
      eachS: 0.5,
      whenText: '{"&x":{"$eq":1}}',
      mode: 'paused',
      dstPrefix: 'edge/1',
      compression: 'zstd',
    });
  });

  test('camel-case copies of old SDKs are ignored, and other unknown members are named', () => {
    expect(create({ srcBucket: 'x', eachN: 7 })).toEqual(create());
    const unknownMembers = ['nonsense'];
    expect(create({ nonsense: [1], other: null })).toEqual({ ...create(), unknownMembers });
  });

  test('an empty or masked token is no token', () => {
    expect(create({ dst_token: '' }).dstToken).toBeNull();
    expect(create({ dst_token: '***' }).dstToken).toBeNull();
  });

  test('a label called __proto__ stays a label', () => {
    const body: unknown = JSON.parse(
      `{"src_bucket":"a","dst_bucket":"b","dst_host":"http://h","include":{"__proto__":"1"}}`,
    );
    expect(Object.entries(parseSettings(body, 'create', null).include)).toEqual([
      ['__proto__', '1'],
    ]);
  });

  test('settings survive JSON', () => {
    const settings = create({ include: { a: '1' }, each_s: 0.5, dst_token: 't' });
    expect(JSON.parse(JSON.stringify(settings))).toEqual(settings);
  });

  test('a condition without its text is a bug, never a task without condition', () => {
    expect(() => create({ when: { $and: [] } }, null)).toThrow(BugError);
  });
});

describe('updating', () => {
  const stored = create({
    dst_token: 'secret',
    include: { anomaly: '1' },
    exclude: { status: 'ok' },
    each_n: 3,
    each_s: 2,
    mode: 'paused',
    entries: ['a'],
    dst_prefix: 'p',
    compression: 'gzip',
  });

  test('era A members and the token stay, everything else falls back to its default', () => {
    expect(update(stored)).toEqual({
      ...stored,
      mode: 'enabled',
      entries: [],
      dstPrefix: '',
      compression: 'none',
    });
  });

  test.each([
    [{ include: null }, { include: {} }],
    [{ include: {} }, { include: {} }],
    [{ include: { b: '2' } }, { include: { b: '2' } }],
    [{ exclude: null }, { exclude: {} }],
    [{ exclude: {} }, { exclude: {} }],
    [{ each_n: null }, { eachN: null }],
    [{ each_n: 5 }, { eachN: 5 }],
    [{ each_s: null }, { eachS: null }],
    [{ each_s: 0 }, { eachS: 0 }],
  ])('%j changes exactly that era A member', (body, changed) => {
    expect(update(stored, body)).toEqual({ ...update(stored), ...changed });
  });

  test.each([
    [null, 'secret'],
    ['***', 'secret'],
    ['', null],
    ['other', 'other'],
  ])('dst_token %j gives %j', (sent, kept) => {
    expect(update(stored, { dst_token: sent }).dstToken).toBe(kept);
  });

  test('a condition is dropped when it is not sent', () => {
    expect(update(create({ when: {} }, '{}')).whenText).toBeNull();
  });

  test('an update without what is stored is a bug, since it would drop filters', () => {
    const call = (): unknown => Reflect.apply(parseSettings, undefined, [REQUIRED, 'update', null]);
    expect(call).toThrow(BugError);
  });
});

describe('the legacy mark', () => {
  const legacyBody = { include: { anomaly: '1' }, dst_token: 'secret' };

  test.each([
    ['include and a token', legacyBody, true],
    ['an unset each_n and an empty token', { each_n: null, dst_token: '' }, true],
    ['no token', { include: {} }, false],
    ['a token of null', { include: {}, dst_token: null }, false],
    ['a mode', { ...legacyBody, mode: 'enabled' }, false],
    ['a prefix', { ...legacyBody, dst_prefix: '' }, false],
    ['a compression', { ...legacyBody, compression: null }, false],
    ['no era A member', { dst_token: 'secret' }, false],
  ])('with %s in the body', (_title, body, legacy) => {
    expect(create(body).legacy).toBe(legacy);
  });

  test('an update of another shape clears it, one of the same shape sets it', () => {
    const legacy = create(legacyBody);
    expect(update(legacy, { mode: 'enabled' }).legacy).toBe(false);
    expect(update(create(), { ...legacyBody, dst_token: '***' }).legacy).toBe(true);
  });
});

describe('the detail answer', () => {
  test('has the nine members of 1.21 in the order of the contract', () => {
    expect(toDetailJson(create())).toBe(
      '{"src_bucket":"a","dst_bucket":"b","dst_host":"http://localhost:9000","dst_token":null,' +
        '"entries":[],"dst_prefix":"","when":null,"mode":"enabled","compression":"none"}',
    );
  });

  test('shows era A members where they are set', () => {
    const settings = create({ include: { a: '1' }, each_n: 2, mode: 'enabled' });
    expect(JSON.parse(toDetailJson(settings))).toMatchObject({ include: { a: '1' }, each_n: 2 });
    expect(toDetailJson(settings)).not.toContain('exclude');
    expect(toDetailJson(settings)).not.toContain('each_s');
    const others = create({ exclude: { a: '1' }, each_s: 0, mode: 'enabled' });
    expect(JSON.parse(toDetailJson(others))).toMatchObject({ exclude: { a: '1' }, each_s: 0 });
    expect(toDetailJson(others)).not.toContain('include');
  });

  test('gives the condition back letter by letter', () => {
    const whenText = '{"2":1,"1":12345678901234567890,"$each_n":2}';
    expect(toDetailJson(create({ when: {} }, whenText))).toContain(`"when":${whenText},`);
  });

  test('never shows the token', () => {
    for (const shape of [{}, { include: {} }, { include: {}, mode: 'paused' }]) {
      expect(toDetailJson(create({ dst_token: 'hush-hush', ...shape }))).not.toContain('hush-hush');
    }
  });

  test('of a legacy task masks the token and has all era A members', () => {
    const legacy = create({ dst_token: 'hush-hush', include: { anomaly: '1' } });
    expect(JSON.parse(toDetailJson(legacy))).toEqual({
      ...REQUIRED,
      dst_token: '***',
      entries: [],
      dst_prefix: '',
      when: null,
      mode: 'enabled',
      compression: 'none',
      include: { anomaly: '1' },
      exclude: {},
      each_n: null,
      each_s: null,
    });
  });
});
