import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { loadProvisioning } from '../../src/config/provisioning.ts';
import { ConfigError } from '../../src/errors/errors.ts';

const SYSTEM = { cores: 2, hostName: 'edge-1' };

describe('provisioned buckets', () => {
  test('the variables of one id are one bucket, whatever the id is', () => {
    const { provisioning, warnings } = loadProvisioning({
      RS_BUCKET_A_NAME: ' raw ',
      RS_BUCKET_A_QUOTA_TYPE: 'fifo',
      RS_BUCKET_A_QUOTA_SIZE: '10 GB',
      RS_BUCKET_B_NAME_NAME: 'events',
      RS_BUCKET_B_NAME_MAX_BLOCK_SIZE: '1MiB',
      RS_BUCKET_B_NAME_MAX_BLOCK_RECORDS: '256',
    });
    expect(warnings).toEqual([]);
    expect(provisioning.buckets).toEqual([
      {
        name: 'raw',
        quotaType: 'FIFO',
        quotaSizeBytes: 10_000_000_000,
        maxBlockSizeBytes: undefined,
        maxBlockRecords: undefined,
      },
      {
        name: 'events',
        quotaType: undefined,
        quotaSizeBytes: undefined,
        maxBlockSizeBytes: 1 << 20,
        maxBlockRecords: 256,
      },
    ]);
  });

  test('a value that is not accepted is left to the default, a bucket without a good name is left out', () => {
    const { provisioning, warnings } = loadProvisioning({
      RS_BUCKET_1_NAME: 'raw',
      RS_BUCKET_1_QUOTA_TYPE: 'LIFO',
      RS_BUCKET_1_QUOTA_SIZE: 'much',
      RS_BUCKET_2_QUOTA_SIZE: '1',
      RS_BUCKET_3_NAME: 'a.b',
    });
    expect(provisioning.buckets).toMatchObject([
      { name: 'raw', quotaType: undefined, quotaSizeBytes: undefined },
    ]);
    expect(warnings).toEqual([
      'RS_BUCKET_1_QUOTA_TYPE is ignored; accepted: one of NONE, FIFO, HARD',
      'RS_BUCKET_1_QUOTA_SIZE is ignored; accepted: a size',
      'RS_BUCKET_2_*: no bucket is provisioned; RS_BUCKET_2_NAME is not set',
      'RS_BUCKET_3_*: no bucket is provisioned; its name may have letters, digits, - and _ only',
    ]);
  });

  test('a name given twice is told, and the last id counts', () => {
    const { provisioning, warnings } = loadProvisioning({
      RS_BUCKET_A_NAME: 'raw',
      RS_BUCKET_B_NAME: 'raw',
      RS_BUCKET_B_QUOTA_SIZE: '5',
    });
    expect(provisioning.buckets).toMatchObject([{ name: 'raw', quotaSizeBytes: 5 }]);
    expect(warnings).toEqual(["bucket 'raw' is provisioned twice"]);
  });
});

describe('provisioned tokens', () => {
  test('lists are separated by commas, and the date is kept', () => {
    const { provisioning, warnings } = loadProvisioning({
      RS_TOKEN_CAM_NAME: 'camera',
      RS_TOKEN_CAM_VALUE: 'hunter2',
      RS_TOKEN_CAM_READ: 'a, b*',
      RS_TOKEN_CAM_WRITE: 'c',
      RS_TOKEN_CAM_EXPIRES_AT: '2030-01-02T03:04:05+01:00',
      RS_TOKEN_ADMIN_NAME: 'admin',
      RS_TOKEN_ADMIN_VALUE: 'hunter3',
      RS_TOKEN_ADMIN_FULL_ACCESS: 'true',
    });
    expect(warnings).toEqual([]);
    expect(provisioning.tokens).toEqual([
      {
        name: 'admin',
        value: 'hunter3',
        hasFullAccess: true,
        read: [],
        write: [],
        expiresAt: undefined,
      },
      {
        name: 'camera',
        value: 'hunter2',
        hasFullAccess: false,
        read: ['a', 'b*'],
        write: ['c'],
        expiresAt: { epochMs: Date.UTC(2030, 0, 2, 2, 4, 5), text: '2030-01-02T02:04:05Z' },
      },
    ]);
  });

  test('one without name or value, or with a value no header can carry, is left out; values are not shown', () => {
    const { provisioning, warnings } = loadProvisioning({
      RS_TOKEN_1_VALUE: 'hunter2',
      RS_TOKEN_2_NAME: 'b',
      RS_TOKEN_3_NAME: 'c',
      RS_TOKEN_3_VALUE: 'hunter 2',
    });
    expect(provisioning.tokens).toEqual([]);
    expect(warnings).toHaveLength(4);
    expect(warnings.join('\n')).not.toContain('hunter');
  });

  test('a date or a flag that is not accepted is ignored with a warning', () => {
    const { provisioning, warnings } = loadProvisioning({
      RS_TOKEN_1_NAME: 'a',
      RS_TOKEN_1_VALUE: 'hunter2',
      RS_TOKEN_1_FULL_ACCESS: 'yes',
      RS_TOKEN_1_EXPIRES_AT: 'tomorrow',
    });
    expect(provisioning.tokens).toMatchObject([{ hasFullAccess: false, expiresAt: undefined }]);
    expect(warnings).toEqual([
      'RS_TOKEN_1_EXPIRES_AT is ignored; accepted: a date as in 2026-08-21T15:14:17Z',
      'RS_TOKEN_1_FULL_ACCESS is ignored; accepted: true or false',
    ]);
  });
});

describe('as part of the configuration', () => {
  const token = { RS_TOKEN_1_NAME: 'a', RS_TOKEN_1_VALUE: 'hunter2' };

  test('its variables are known, and its warnings are among the warnings', () => {
    const loaded = loadConfig(
      { RS_API_TOKEN: 's', ...token, RS_BUCKET_1_NAME: 'a.b', RS_TOKEN_1_READS: 'x' },
      SYSTEM,
    );
    expect(loaded.provisioning.tokens).toMatchObject([{ name: 'a' }]);
    expect(loaded.warnings).toEqual([
      'RS_BUCKET_1_*: no bucket is provisioned; its name may have letters, digits, - and _ only',
      expect.stringMatching(/^RS_TOKEN_1_READS is not a known variable/),
    ]);
  });

  test('tokens on a server that asks for none are a mistake, and told when it was said that it asks for none', () => {
    expect(() => loadConfig(token, SYSTEM)).toThrow(ConfigError);
    expect(() => loadConfig(token, SYSTEM)).toThrow(
      'RS_TOKEN_* need RS_API_TOKEN or RS_INIT_API_TOKEN: without them requests need no token at all',
    );
    const open = loadConfig({ ...token, RS_DISABLE_AUTH: 'true' }, SYSTEM);
    expect(open.warnings).toContain(
      'RS_DISABLE_AUTH=true: tokens of RS_TOKEN_* are not provisioned',
    );
  });
});

describe('provisioned lifecycles', () => {
  const base = {
    RS_LIFECYCLE_A_NAME: 'old',
    RS_LIFECYCLE_A_TYPE: 'delete',
    RS_LIFECYCLE_A_BUCKET: 'raw',
    RS_LIFECYCLE_A_OLDER_THAN: '30d',
  };

  test('the variables of one id are one policy', () => {
    const { provisioning, warnings } = loadProvisioning({
      ...base,
      RS_LIFECYCLE_MY_NAME_NAME: 'other',
      RS_LIFECYCLE_MY_NAME_TYPE: 'Compress',
      RS_LIFECYCLE_MY_NAME_BUCKET: 'raw',
      RS_LIFECYCLE_MY_NAME_OLDER_THAN: '1d 2h',
      RS_LIFECYCLE_MY_NAME_INTERVAL: '2h',
      RS_LIFECYCLE_MY_NAME_PROCESSING_INTERVAL: '3h',
      RS_LIFECYCLE_MY_NAME_ENTRIES: 'a/*, !b',
      RS_LIFECYCLE_MY_NAME_WHEN: '{"&a": {"$eq": 1}}',
      RS_LIFECYCLE_MY_NAME_MODE: 'dry_run',
    });
    expect(warnings).toEqual([]);
    expect(provisioning.lifecycles).toEqual([
      {
        name: 'old',
        mode: undefined,
        settings: {
          type: 'delete',
          bucketName: 'raw',
          entries: [],
          olderThan: '30d',
          interval: '3600s',
          whenText: undefined,
          processingInterval: undefined,
        },
      },
      {
        name: 'other',
        mode: 'dry_run',
        settings: {
          type: 'compress',
          bucketName: 'raw',
          entries: ['a/*', '!b'],
          olderThan: '1d 2h',
          interval: '2h',
          whenText: '{"&a": {"$eq": 1}}',
          processingInterval: '3h',
        },
      },
    ]);
  });

  test.each([
    ['NAME', '', 'RS_LIFECYCLE_A_NAME is not set'],
    ['BUCKET', '', 'RS_LIFECYCLE_A_BUCKET is not set'],
    ['OLDER_THAN', '', 'RS_LIFECYCLE_A_OLDER_THAN is not set'],
    ['TYPE', 'shred', 'its type is not one of delete, compress'],
    ['MODE', 'dryrun', 'its mode is not one of enabled, disabled, dry_run'],
    ['WHEN', '{', 'its condition is not JSON'],
  ])('one with %s %j is left out, so that no slip removes records', (field, value, why) => {
    const { provisioning, warnings } = loadProvisioning({
      ...base,
      [`RS_LIFECYCLE_A_${field}`]: value,
    });
    expect(provisioning.lifecycles).toEqual([]);
    expect(warnings).toEqual([`RS_LIFECYCLE_A_*: no lifecycle is provisioned; ${why}`]);
  });
});
