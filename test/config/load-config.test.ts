import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { loadConfig, redactConfig } from '../../src/config/load-config.ts';
import { ConfigError } from '../../src/errors/errors.ts';

const SYSTEM = { cores: 2, hostName: 'edge-1' };

function config(env: NodeJS.ProcessEnv, cores = SYSTEM.cores): Config {
  return loadConfig(env, { ...SYSTEM, cores }).config;
}

function warnings(env: NodeJS.ProcessEnv): readonly string[] {
  return loadConfig(env, SYSTEM).warnings;
}

/** The lines of the message after the first; fails when the configuration is accepted. */
function problems(env: NodeJS.ProcessEnv): string[] {
  try {
    loadConfig(env, SYSTEM);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return String(error instanceof Error ? error.message : error)
      .split('\n')
      .slice(1)
      .map((line) => line.replace('  - ', ''));
  }
  throw new Error('the configuration was accepted');
}

describe('defaults', () => {
  test('an empty environment gives the documented defaults', () => {
    expect(config({})).toStrictEqual({
      host: '127.0.0.1',
      port: 8383,
      apiBasePath: '/',
      publicUrl: undefined,
      certPath: undefined,
      certKeyPath: undefined,
      corsAllowOrigins: [],
      instanceName: 'edge-1',
      instanceRole: 'STANDALONE',
      stopTimeoutMs: 10_000,
      apiToken: undefined,
      initApiToken: undefined,
      authDisabled: false,
      metricsAuth: false,
      secretKey: undefined,
      oldSecretKey: undefined,
      secretKeyPath: resolve('data.key'),
      dataPath: './data',
      durability: 'fsync',
      defaultQuotaType: 'NONE',
      defaultQuotaSizeBytes: 0,
      defaultMaxBlockSizeBytes: 64_000_000,
      defaultMaxBlockRecords: 1024,
      operationTimeoutMs: 30_000,
      batchMaxSizeBytes: 8_000_000,
      batchMaxRecords: 85,
      batchMaxMetadataBytes: 512_000,
      batchTimeoutMs: 5000,
      batchRecordsTimeoutMs: 1000,
      maxWritersInFlight: 0,
      maxStorageSizeBytes: undefined,
      rateLimitApi: undefined,
      rateLimitIngress: undefined,
      rateLimitEgress: undefined,
      replicationTimeoutMs: 5000,
      replicationLogSize: undefined,
      replicationVerifySsl: true,
      replicationCaPath: undefined,
      replicationCertPath: undefined,
      replicationKeyPath: undefined,
      deadLettersMax: 10_000,
      replicationConcurrency: 16,
      replicationThreads: 1,
      queryThreads: 1,
      ringSizeBytes: 64 * 1024 * 1024,
      uploadMemoryBytes: 256 * 1024 * 1024,
      readMemoryBytes: 256 * 1024 * 1024,
      cacheMemoryBytes: 64 * 1024 * 1024,
      systemEventsEnabled: true,
      systemEventsQuotaSizeBytes: 10_000_000_000,
      systemEventsLogLevel: 'WARN',
      logLevels: { base: 'INFO', parts: {} },
      logFormat: 'auto',
    });
  });

  test.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 2],
    [8, 4],
    [64, 4],
  ])('on %d cores there are %d threads for each kind of work', (cores, threads) => {
    expect(config({}, cores)).toMatchObject({ replicationThreads: threads, queryThreads: threads });
  });

  test('values are trimmed, and an empty value is one that is not set', () => {
    const given = config({ RS_PORT: ' 9000 ', RS_HOST: '', MILLRACE_RING_SIZE: '  ' });
    expect(given).toMatchObject({ port: 9000, host: '127.0.0.1', ringSizeBytes: 64 << 20 });
  });

  test('a machine without a name is called unknown', () => {
    expect(loadConfig({}, { cores: 2, hostName: ' ' }).config.instanceName).toBe('unknown');
  });

  test('the configuration is frozen and survives structured cloning', () => {
    const given = config({ RS_API_TOKEN: 'secret' });
    expect(Object.isFrozen(given)).toBe(true);
    expect(structuredClone(given)).toStrictEqual({ ...given });
  });
});

describe('access', () => {
  test('without a token only loopback is listened on, and a warning says so', () => {
    expect(config({}).host).toBe('127.0.0.1');
    expect(warnings({})).toStrictEqual([
      'RS_API_TOKEN is not set: listening on 127.0.0.1 only, and every request there has full access',
    ]);
  });

  test('with a token all addresses are listened on, metrics need it, and there is nothing to warn of', () => {
    const loaded = loadConfig({ RS_API_TOKEN: 'secret' }, SYSTEM);
    expect(loaded.config).toMatchObject({ host: '0.0.0.0', metricsAuth: true });
    expect(loaded.warnings).toStrictEqual([]);
  });

  test.each(['127.0.0.1', '127.1.2.3', '::1', '[::1]', 'localhost', '::ffff:127.0.0.1'])(
    'loopback address %s needs no token',
    (host) => {
      expect(problemsOrNone({ RS_HOST: host })).toStrictEqual([]);
    },
  );

  test.each(['0.0.0.0', '::', '192.168.1.7', '127.example.com', 'edge-1', '::ffff:10.0.0.1'])(
    'address %s is refused without a token and without RS_DISABLE_AUTH',
    (host) => {
      expect(problems({ RS_HOST: host })).toStrictEqual([
        `RS_HOST=${host} is not a loopback address: set RS_API_TOKEN, or RS_DISABLE_AUTH=true to give full access to everyone who reaches it`,
      ]);
      expect(problemsOrNone({ RS_HOST: host, RS_API_TOKEN: 'secret' })).toStrictEqual([]);
    },
  );

  test('RS_DISABLE_AUTH=true opens any address with a warning, and alone does not leave loopback', () => {
    const open = { RS_HOST: '0.0.0.0', RS_DISABLE_AUTH: 'true' };
    expect(config(open).host).toBe('0.0.0.0');
    expect(warnings(open)).toStrictEqual([
      'RS_DISABLE_AUTH=true: everyone who reaches 0.0.0.0 has full access',
    ]);
    expect(config({ RS_DISABLE_AUTH: 'true' }).host).toBe('127.0.0.1');
  });

  test('a token together with RS_DISABLE_AUTH=true is an error', () => {
    expect(problems({ RS_API_TOKEN: 'secret', RS_DISABLE_AUTH: 'true' })).toStrictEqual([
      'RS_API_TOKEN and RS_DISABLE_AUTH=true exclude each other; unset one of them',
    ]);
    expect(config({ RS_API_TOKEN: 'secret', RS_DISABLE_AUTH: 'false' }).apiToken).toBe('secret');
  });

  test.each(['RS_API_TOKEN', 'RS_DISABLE_AUTH'])(
    'RS_INIT_API_TOKEN stands for a token as well, and excludes %s',
    (other) => {
      const init = { RS_INIT_API_TOKEN: 'secret' };
      expect(config(init)).toMatchObject({ host: '0.0.0.0', metricsAuth: true });
      expect(warnings(init)).toStrictEqual([]);
      const value = other === 'RS_API_TOKEN' ? 'other' : 'true';
      const [problem] = problems({ ...init, [other]: value });
      expect(problem).toMatch(/^RS_.* exclude each other; unset one of them$/);
    },
  );

  test('an empty token is an error and not a server without a token', () => {
    expect(problems({ RS_API_TOKEN: ' ' })).toStrictEqual([
      'RS_API_TOKEN is empty; set visible ASCII characters without spaces, or unset it',
    ]);
  });

  test('metrics can be opened, and cannot need a token that does not exist', () => {
    expect(config({ RS_API_TOKEN: 's', MILLRACE_METRICS_AUTH: 'false' }).metricsAuth).toBe(false);
    expect(problems({ MILLRACE_METRICS_AUTH: 'true' })).toStrictEqual([
      'MILLRACE_METRICS_AUTH=true needs RS_API_TOKEN or RS_INIT_API_TOKEN',
    ]);
  });

  test('a rule is silent about a variable whose value was refused', () => {
    expect(problems({ RS_HOST: '0.0.0.0', RS_DISABLE_AUTH: 'maybe' })).toStrictEqual([
      'RS_DISABLE_AUTH is "maybe"; accepted: true or false',
    ]);
  });
});

function problemsOrNone(env: NodeJS.ProcessEnv): string[] {
  try {
    loadConfig(env, SYSTEM);
    return [];
  } catch {
    return problems(env);
  }
}

describe('the key of stored tokens', () => {
  test('is beside the data folder, or where it is said, but not in the folder', () => {
    expect(config({ RS_DATA_PATH: '/srv/x/' }).secretKeyPath).toBe('/srv/x.key');
    const elsewhere = { RS_DATA_PATH: '/srv/x', MILLRACE_SECRET_KEY_PATH: '/keys/x' };
    expect(config(elsewhere).secretKeyPath).toBe('/keys/x');
    const inside = { RS_DATA_PATH: '/srv/x', MILLRACE_SECRET_KEY_PATH: '/srv/x/sub/key' };
    expect(problems(inside)).toStrictEqual([
      'MILLRACE_SECRET_KEY_PATH lies in the data folder: a back-up would hold the key beside what it protects; put it elsewhere',
    ]);
  });

  test('is never shown, neither in the log nor in a refusal', () => {
    const key = 'ab'.repeat(32);
    const { MILLRACE_SECRET_KEY: shown } = redactConfig(config({ MILLRACE_SECRET_KEY: key }));
    expect(shown).toBe('***');
    expect(problems({ MILLRACE_SECRET_KEY: 'too-short' })).toStrictEqual([
      'MILLRACE_SECRET_KEY is ***; accepted: 32 bytes in base64 or hex, as from openssl rand -base64 32',
    ]);
    expect(problems({ MILLRACE_SECRET_KEY: '' })[0]).toContain('MILLRACE_SECRET_KEY is empty');
  });
});

describe('refusals', () => {
  test('all problems are named at once, with value and what is accepted', () => {
    const env = {
      RS_PORT: '70000',
      RS_IO_BATCH_MAX_SIZE: 'lots',
      RS_IO_OPERATION_TIMEOUT: '-1',
      MILLRACE_DURABILITY: 'never',
      RS_INSTANCE_ROLE: 'LEADER',
      MILLRACE_RINGSIZE: '1MiB',
    };
    expect(problems(env)).toStrictEqual([
      'RS_PORT is "70000"; accepted: a whole number from 0 to 65535',
      'RS_INSTANCE_ROLE is "LEADER"; accepted: one of STANDALONE, PRIMARY, SECONDARY, REPLICA',
      'MILLRACE_DURABILITY is "never"; accepted: one of fsync, os',
      'RS_IO_OPERATION_TIMEOUT is "-1"; accepted: seconds from 0.1 to 3600 (a plain number, or with a unit as in 500ms, 5s, 2m, 1h)',
      'RS_IO_BATCH_MAX_SIZE is "lots"; accepted: a size from 1 to 256MiB (plain bytes, or with a unit as in 1KB (1000), 1KiB (1024), 10 GB)',
      'MILLRACE_RINGSIZE is not a known variable; did you mean MILLRACE_RING_SIZE?',
      expect.stringMatching(/^known are: .*MILLRACE_RING_SIZE.*MILLRACE_LOG_FORMAT$/),
    ]);
  });

  test('an unknown name far from all known ones has no suggestion', () => {
    expect(problems({ MILLRACE_FLUX_CAPACITOR: '1' })[0]).toBe(
      'MILLRACE_FLUX_CAPACITOR is not a known variable',
    );
  });

  test('an unknown name is refused with any value', () => {
    expect(problems({ MILLRACE_RINGSIZE: '' })).toHaveLength(2);
  });

  test('the value of a secret is not in the message', () => {
    const [problem] = problems({ RS_API_TOKEN: 'hunter2 hunter2' });
    expect(problem).toBe('RS_API_TOKEN is ***; accepted: visible ASCII characters without spaces');
  });

  test('control characters and long values do not flood the terminal', () => {
    const [problem = ''] = problems({ RS_PORT: `\u001b[2J${'9'.repeat(5000)}` });
    expect(problem).not.toContain('\u001b');
    expect(problem.length).toBeLessThan(200);
  });
});

describe('variables without effect', () => {
  const base = { RS_API_TOKEN: 'secret' };

  test('are named in groups with what follows, and their values are not shown', () => {
    const text = warnings({
      ...base,
      RS_ENGINE_COMPACTION_INTERVAL: '60',
      RS_ENGINE_SECRET: 'hunter2',
      RS_REPLICATION_A_SRC_BUCKET: 'data',
      RS_REPLICATION_A_INCLUDE_anomaly: '1',
    });
    expect(text).toStrictEqual([
      'RS_REPLICATION_A_*: no replication is provisioned; RS_REPLICATION_A_NAME is not set',
      'RS_ENGINE_COMPACTION_INTERVAL, RS_ENGINE_SECRET: not supported, the store has other settings',
    ]);
  });

  test('a misspelt RS_ name is named with a suggestion', () => {
    expect(warnings({ ...base, RS_REPLICATION_TIMEOT: '5', RS_SOMETHING: 'x' })).toStrictEqual([
      'RS_REPLICATION_TIMEOT is not a known variable; did you mean RS_REPLICATION_TIMEOUT?',
      'RS_SOMETHING is not a known variable',
    ]);
  });

  test('nothing is said where nothing is missed', () => {
    const env = {
      ...base,
      RS_SYSTEM_EVENTS_ENABLED: 'false',
      RS_IO_MAX_WRITERS_IN_FLIGHT: '0',
      RS_PUBLIC_URL: '',
      RS_INSTANCE_ROLE: 'STANDALONE',
      PATH: '/bin',
    };
    expect(warnings(env)).toStrictEqual([]);
  });

  test('variables of the former audit are named, whatever they say', () => {
    expect(warnings({ ...base, RS_AUDIT_ENABLED: 'false' })).toStrictEqual([
      'RS_AUDIT_ENABLED: not supported, audit records are system events, see RS_SYSTEM_EVENTS_ENABLED',
    ]);
  });

  test('a key without a certificate is warned of', () => {
    expect(warnings({ ...base, RS_CERT_KEY_PATH: '/etc/key.pem' })).toStrictEqual([
      'RS_CERT_KEY_PATH without RS_CERT_PATH: the server speaks plain HTTP',
    ]);
  });

  test('switched-off certificate checks are warned of', () => {
    expect(warnings({ ...base, RS_REPLICATION_VERIFY_SSL: 'false' })).toStrictEqual([
      'RS_REPLICATION_VERIFY_SSL=false: certificates of targets are not checked',
    ]);
  });
});

describe('redactConfig', () => {
  test('shows variables by name, secrets as ***, and leaves out what is not set', () => {
    const shown = redactConfig(config({ RS_API_TOKEN: 'hunter2', RS_PORT: '9000' }));
    expect(shown).toMatchObject({ RS_API_TOKEN: '***', RS_PORT: 9000 });
    expect(shown).not.toHaveProperty('RS_REPLICATION_CA_PATH');
    expect(JSON.stringify(shown)).not.toContain('hunter2');
    expect(redactConfig(config({}))).not.toHaveProperty('RS_API_TOKEN');
  });
});
