import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { loadReplications } from '../../src/config/replication-variables.ts';

const SYSTEM = { cores: 2, hostName: 'edge-1' };
const P = 'RS_REPLICATION_1_';
const REQUIRED = {
  [`${P}NAME`]: 'r',
  [`${P}SRC_BUCKET`]: 'src',
  [`${P}DST_BUCKET`]: 'dst',
  [`${P}DST_HOST`]: 'http://target:8383',
};

/** The only task of these variables besides the required ones. */
function task(env: NodeJS.ProcessEnv = {}) {
  const loaded = loadReplications({ ...REQUIRED, ...env });
  expect(loaded.errors).toEqual([]);
  expect(loaded.warnings).toEqual([]);
  const [only, ...others] = loaded.replications;
  expect(others).toEqual([]);
  if (only === undefined) throw new Error('no task');
  return { ...only, body: JSON.parse(only.bodyText) };
}

function errors(env: NodeJS.ProcessEnv): readonly string[] {
  const loaded = loadReplications({ ...REQUIRED, ...env });
  expect(loaded.replications).toEqual([]);
  return loaded.errors;
}

describe('the variables of a task', () => {
  test('give its settings', () => {
    const given = task({
      [`${P}DST_TOKEN`]: 'secret',
      [`${P}ENTRIES`]: 'exampl-*, other ,,!x',
      [`${P}DST_PREFIX`]: ' p/',
      [`${P}WHEN`]: '{"10": {"$eq": 9007199254740993}, "&a": {"$gt": 1.0}}',
      [`${P}INCLUDE_anomaly`]: '1',
      [`${P}INCLUDE_Camera Name`]: ' left ',
      [`${P}EXCLUDE_status`]: '',
      [`${P}EACH_N`]: '10',
      [`${P}EACH_S`]: '0.5',
      [`${P}COMPRESSION`]: 'ZSTD',
      [`${P}MODE`]: 'Paused',
    });
    expect(given).toMatchObject({ name: 'r', token: 'secret', mode: 'paused' });
    expect(given.bodyText).toContain('"when":{"10":{"$eq":9007199254740993},"&a":{"$gt":1.0}}');
    const { when: _, ...others } = given.body;
    expect(others).toEqual({
      src_bucket: 'src',
      dst_bucket: 'dst',
      dst_host: 'http://target:8383/',
      entries: ['exampl-*', 'other', '!x'],
      dst_prefix: ' p/',
      compression: 'zstd',
      each_n: 10,
      each_s: 0.5,
      include: { anomaly: '1', 'Camera Name': ' left ' },
      exclude: { status: '' },
    });
  });

  test('that are missing leave token and mode as they were', () => {
    expect(task()).toMatchObject({ token: undefined, mode: undefined });
    expect(task({ [`${P}DST_TOKEN`]: '' }).token).toBe('');
  });

  test.each([
    ['HTTP://Target:80', 'http://target/'],
    ['https://target:443/base', 'https://target/base'],
    ['http://target:1', 'http://target:1/'],
  ])('normalise the URL %s', (given, stored) => {
    expect(task({ [`${P}DST_HOST`]: given }).body.dst_host).toBe(stored);
  });

  test('may have any text as id, also one that begins another', () => {
    const env = Object.fromEntries(
      ['1', '1_A', 'to the cloud'].flatMap((id) => [
        [`RS_REPLICATION_${id}_NAME`, `name of ${id}`],
        [`RS_REPLICATION_${id}_SRC_BUCKET`, `src of ${id}`],
        [`RS_REPLICATION_${id}_DST_BUCKET`, 'dst'],
        [`RS_REPLICATION_${id}_DST_HOST`, 'http://t'],
        [`RS_REPLICATION_${id}_INCLUDE_a`, id],
      ]),
    );
    const { replications, errors: dropped } = loadReplications(env);
    expect(dropped).toEqual([]);
    const found = replications.map(({ name, bodyText }) => {
      const { src_bucket, include } = JSON.parse(bodyText);
      return [name, src_bucket, include.a];
    });
    expect(found.toSorted(([a], [b]) => String(a).localeCompare(String(b)))).toEqual([
      ['name of 1', 'src of 1', '1'],
      ['name of 1_A', 'src of 1_A', '1_A'],
      ['name of to the cloud', 'src of to the cloud', 'to the cloud'],
    ]);
  });

  test('are anchored: another prefix is none, and a label called NAME is no task', () => {
    const others = Object.fromEntries(
      Object.entries(REQUIRED).map(([name, value]) => [`MY_${name}`, value]),
    );
    const given = task({
      ...others,
      [`${P}INCLUDE_NAME`]: 'x',
      [`${P}EXCLUDE_SENSOR_NAME`]: 'y',
      [`${P}INCLUDE_anomaly`]: '1',
    });
    expect(given.body.include).toEqual({ NAME: 'x', anomaly: '1' });
    expect(given.body.exclude).toEqual({ SENSOR_NAME: 'y' });
  });

  test('that nobody knows are in the settings as what they are, so that the task stands still', () => {
    const given = task({ [`${P}INCLUD_anomaly`]: '1' });
    expect(given.body).toHaveProperty(`${P}INCLUD_anomaly`);
    expect(given.body).not.toHaveProperty('include');
  });

  test('of own members are JSON, or text where it is none', () => {
    const given = task({
      [`${P}ORDER`]: 'newest',
      [`${P}START`]: '1769860800000000',
      [`${P}BUDGET`]: '{"bytes_per_day": 1000, "time_zone": "Europe/Berlin"}',
    });
    expect(given.body).toMatchObject({
      order: 'newest',
      start: 1769860800000000,
      budget: { bytes_per_day: 1000, time_zone: 'Europe/Berlin' },
    });
  });

  test('without a name are nothing, and a warning says so', () => {
    const loaded = loadReplications({ RS_REPLICATION_7_SRC_BUCKET: 'x' });
    expect(loaded).toMatchObject({ replications: [], errors: [] });
    expect(loaded.warnings).toEqual([
      'RS_REPLICATION_7_*: no replication is provisioned; RS_REPLICATION_7_NAME is not set',
    ]);
  });

  test('of two tasks with one name: the last counts, and a warning says so', () => {
    const second = Object.fromEntries(
      Object.entries({ ...REQUIRED, [`${P}SRC_BUCKET`]: 'second' }).map(([name, value]) => {
        return [name.replace('_1_', '_2_'), value];
      }),
    );
    const loaded = loadReplications({ ...REQUIRED, ...second });
    expect(loaded.replications.map(({ bodyText }) => JSON.parse(bodyText).src_bucket)).toEqual([
      'second',
    ]);
    expect(loaded.warnings).toEqual(["replication 'r' is provisioned twice"]);
  });
});

describe('a task is left out with an error for', () => {
  test.each([
    [
      'no source bucket',
      { [`${P}SRC_BUCKET`]: ' ' },
      "Replication 'r' has no source bucket. Drop it.",
    ],
    [
      'no destination bucket',
      { [`${P}DST_BUCKET`]: '' },
      "Replication 'r' has no destination bucket. Drop it.",
    ],
    ['no remote host', { [`${P}DST_HOST`]: '' }, "Replication 'r' has no remote host. Drop it."],
    [
      'no URL',
      { [`${P}DST_HOST`]: 'target' },
      "Replication 'r' has invalid remote host: it is not an absolute URL. Drop it.",
    ],
    [
      'another scheme',
      { [`${P}DST_HOST`]: 'localhost:8383' },
      "Replication 'r' has invalid remote host: its scheme is not http or https. Drop it.",
    ],
    [
      'a compression',
      { [`${P}COMPRESSION`]: 'lz4' },
      "Replication 'r' has invalid compression 'lz4'. Drop it.",
    ],
    [
      'a list of no entry',
      { [`${P}ENTRIES`]: ' , ' },
      "Replication 'r' has invalid entries ','. Drop it.",
    ],
    ['a mode', { [`${P}MODE`]: 'on' }, "Replication 'r' has invalid mode 'on'. Drop it."],
    ['each_n', { [`${P}EACH_N`]: '0' }, "Replication 'r' has invalid each_n '0'. Drop it."],
    [
      'a fraction in each_n',
      { [`${P}EACH_N`]: '1.5' },
      "Replication 'r' has invalid each_n '1.5'. Drop it.",
    ],
    ['each_s', { [`${P}EACH_S`]: '1s' }, "Replication 'r' has invalid each_s '1s'. Drop it."],
    [
      'a condition',
      { [`${P}WHEN`]: '{"&a":' },
      /^Replication 'r' has invalid condition: .*\. Drop it\.$/,
    ],
    [
      'an empty name',
      { [`${P}NAME`]: '' },
      'RS_REPLICATION_1_NAME is empty: no replication is provisioned',
    ],
  ])('%s', (_what, env, expected) => {
    const found = errors(env);
    expect(found).toHaveLength(1);
    if (typeof expected === 'string') expect(found[0]).toBe(expected);
    else expect(found[0]).toMatch(expected);
  });
});

test('no variables of any names and values make the start fail or show a token', () => {
  const field = fc.constantFrom(
    'NAME',
    'SRC_BUCKET',
    'DST_HOST',
    'DST_TOKEN',
    'WHEN',
    'EACH_N',
    'ENTRIES',
    'INCLUDE_a',
    'X',
  );
  const id = fc.constantFrom('1', '2', '1_INCLUDE', '1_INCLUDE_b', '_');
  const value = fc.oneof(fc.string(), fc.constantFrom('http://t', '{}', '1', 'secret-token'));
  fc.assert(
    fc.property(fc.array(fc.tuple(id, field, value)), (variables) => {
      const env = Object.fromEntries(
        variables.map(([known, name, text]) => [
          `RS_REPLICATION_${known}_${name}`,
          name === 'DST_TOKEN' ? 'secret-token' : text.replace('secret-token', ''),
        ]),
      );
      const { replications, errors: dropped, warnings } = loadReplications(env);
      const shown = JSON.stringify([
        replications.map(({ bodyText }) => bodyText),
        dropped,
        warnings,
      ]);
      expect(shown).not.toContain('secret-token');
    }),
  );
});

test('the variables of tasks are no unknown ones, and their errors are those of the configuration', () => {
  const env = { ...REQUIRED, [`${P}MODE`]: 'on', [`${P}FOO`]: 'x', RS_API_TOKEN: 't' };
  const loaded = loadConfig(env, SYSTEM);
  expect(loaded.warnings).toEqual([]);
  expect(loaded.errors).toEqual(["Replication 'r' has invalid mode 'on'. Drop it."]);
});
