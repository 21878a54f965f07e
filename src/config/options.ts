/**
 * The table of variables. Parsing, `--help`, `docs/configuration.md` and the type `Config` come from it; keys are the
 * names in `Config`. Defaults and bounds are written as a user would write them.
 *
 * `RS_*` names and meanings: http-api §7, replication §8. `MILLRACE_*` are our own.
 */
import type { OptionSpec } from './kinds.ts';

export const OPTIONS = {
  host: {
    env: 'RS_HOST',
    kind: 'host',
    group: 'Server',
    derived: '0.0.0.0 when requests need a token, else 127.0.0.1',
    description:
      'Address to listen on. One that is not loopback needs RS_API_TOKEN, RS_INIT_API_TOKEN or RS_DISABLE_AUTH=true.',
  },
  port: {
    env: 'RS_PORT',
    kind: 'integer',
    group: 'Server',
    default: '8383',
    min: '0',
    max: '65535',
    description: 'Port to listen on; 0 takes a free one and logs it.',
  },
  apiBasePath: {
    env: 'RS_API_BASE_PATH',
    kind: 'base-path',
    group: 'Server',
    default: '/',
    description: 'Prefix of all URLs; the API is found below it at api/v1.',
  },
  publicUrl: {
    env: 'RS_PUBLIC_URL',
    kind: 'public-url',
    group: 'Server',
    description:
      'What created query links begin with, with the base path. Without it that is host, port and base path.',
  },
  certPath: {
    env: 'RS_CERT_PATH',
    kind: 'text',
    group: 'Server',
    description:
      'PEM file with the certificate and its chain: the server speaks HTTPS only. Read again when it changes.',
  },
  certKeyPath: {
    env: 'RS_CERT_KEY_PATH',
    kind: 'text',
    group: 'Server',
    description: 'PEM file with the private key of the certificate, without passphrase.',
  },
  corsAllowOrigins: {
    env: 'RS_CORS_ALLOW_ORIGIN',
    kind: 'list',
    group: 'Server',
    default: '',
    description: 'Origins that browsers may call from; an asterisk allows all, an empty list none.',
  },
  instanceName: {
    env: 'RS_INSTANCE_NAME',
    kind: 'text',
    group: 'Server',
    derived: 'the host name',
    description: 'Name of this instance in /info.',
  },
  instanceRole: {
    env: 'RS_INSTANCE_ROLE',
    kind: 'choice',
    group: 'Server',
    choices: ['STANDALONE', 'PRIMARY', 'SECONDARY', 'REPLICA'],
    default: 'STANDALONE',
    description:
      'REPLICA serves a data folder read-only. SECONDARY waits until the instance on its data folder has ended, then takes over. PRIMARY is STANDALONE under another name.',
  },
  stopTimeoutMs: {
    env: 'MILLRACE_STOP_TIMEOUT',
    kind: 'duration',
    group: 'Server',
    unit: 'ms',
    default: '10000',
    min: '0',
    max: '600000',
    description: 'Longest time that SIGTERM and SIGINT wait for requests and batches in flight.',
  },
  apiToken: {
    env: 'RS_API_TOKEN',
    kind: 'token',
    group: 'Access',
    secret: true,
    description:
      'Value of the token init-token, which has full access and which clients cannot change. Without it and without RS_INIT_API_TOKEN requests need no token.',
  },
  initApiToken: {
    env: 'RS_INIT_API_TOKEN',
    kind: 'token',
    group: 'Access',
    secret: true,
    description:
      'First value of the token init-token, which has full access: stored at the first start, from then on changed by clients only. Excludes RS_API_TOKEN.',
  },
  authDisabled: {
    env: 'RS_DISABLE_AUTH',
    kind: 'boolean',
    group: 'Access',
    default: 'false',
    description:
      'true allows any address without a token. Excludes RS_API_TOKEN and RS_INIT_API_TOKEN.',
  },
  metricsAuth: {
    env: 'MILLRACE_METRICS_AUTH',
    kind: 'boolean',
    group: 'Access',
    derived: 'true when requests need a token, else false',
    description:
      'Whether GET /metrics needs a token with full access. true needs RS_API_TOKEN or RS_INIT_API_TOKEN.',
  },
  secretKey: {
    env: 'MILLRACE_SECRET_KEY',
    kind: 'secret-key',
    group: 'Access',
    secret: true,
    description:
      'Key that tokens of replication targets are encrypted with in the store. Without it the key is in MILLRACE_SECRET_KEY_PATH.',
  },
  oldSecretKey: {
    env: 'MILLRACE_SECRET_KEY_OLD',
    kind: 'secret-key',
    group: 'Access',
    secret: true,
    description:
      'The key of before a change of keys: what it opens is encrypted again with the new one at the start.',
  },
  secretKeyPath: {
    env: 'MILLRACE_SECRET_KEY_PATH',
    kind: 'text',
    group: 'Access',
    derived: 'RS_DATA_PATH with .key behind it',
    description:
      'File with that key, made for its owner alone when the first token is stored. Not in the data folder, and not in its back-ups.',
  },
  dataPath: {
    env: 'RS_DATA_PATH',
    kind: 'text',
    group: 'Storage',
    default: './data',
    description: 'Folder of the store; created when missing. One process at a time.',
  },
  durability: {
    env: 'MILLRACE_DURABILITY',
    kind: 'choice',
    group: 'Storage',
    choices: ['fsync', 'os'],
    default: 'fsync',
    description:
      'fsync: an acknowledged record survives power loss. os: it survives a crash of the process, not of the machine.',
  },
  maxStorageSizeBytes: {
    env: 'RS_ENGINE_MAX_STORAGE_SIZE',
    kind: 'size',
    group: 'Storage',
    min: '1',
    description:
      'Size of all buckets together beyond which writes are refused with 500. Without it only quotas and the disk limit them.',
  },
  defaultQuotaType: {
    env: 'RS_DEFAULTS_BUCKET_QUOTA_TYPE',
    kind: 'choice',
    group: 'Storage',
    choices: ['NONE', 'FIFO', 'HARD'],
    default: 'NONE',
    description: 'Quota type of buckets created without one.',
  },
  defaultQuotaSizeBytes: {
    env: 'RS_DEFAULTS_BUCKET_QUOTA_SIZE',
    kind: 'size',
    group: 'Storage',
    default: '0',
    description: 'Quota of buckets created without one.',
  },
  defaultMaxBlockSizeBytes: {
    env: 'RS_DEFAULTS_BUCKET_MAX_BLOCK_SIZE',
    kind: 'size',
    group: 'Storage',
    default: '64MB',
    min: '1',
    max: '1TB',
    description: 'Block size of buckets created without one.',
  },
  defaultMaxBlockRecords: {
    env: 'RS_DEFAULTS_BUCKET_MAX_BLOCK_RECORDS',
    kind: 'integer',
    group: 'Storage',
    default: '1024',
    min: '1',
    max: '1000000000',
    description: 'Records per block of buckets created without one.',
  },
  operationTimeoutMs: {
    env: 'RS_IO_OPERATION_TIMEOUT',
    kind: 'duration',
    group: 'Requests',
    unit: 's',
    default: '30',
    min: '0.1',
    max: '3600',
    description: 'Longest pause while the body of a request is received.',
  },
  batchMaxSizeBytes: {
    env: 'RS_IO_BATCH_MAX_SIZE',
    kind: 'size',
    group: 'Requests',
    default: '8MB',
    min: '1',
    max: '256MiB',
    description: 'Body size at which a read batch or a replication batch ends.',
  },
  batchMaxRecords: {
    env: 'RS_IO_BATCH_MAX_RECORDS',
    kind: 'integer',
    group: 'Requests',
    default: '85',
    min: '1',
    max: '85',
    description:
      'Records in a read batch or a replication batch. Each is a header line, and clients accept 100 lines.',
  },
  batchMaxMetadataBytes: {
    env: 'RS_IO_BATCH_MAX_METADATA_SIZE',
    kind: 'size',
    group: 'Requests',
    default: '512KB',
    min: '4KB',
    max: '4MiB',
    description:
      'Header size at which a read batch ends. It ends at 14 KB anyway unless a query asks for more: many clients take 16 KiB.',
  },
  batchTimeoutMs: {
    env: 'RS_IO_BATCH_TIMEOUT',
    kind: 'duration',
    group: 'Requests',
    unit: 's',
    default: '5',
    min: '0',
    max: '3600',
    description: 'Longest time to fill a read batch.',
  },
  batchRecordsTimeoutMs: {
    env: 'RS_IO_BATCH_RECORDS_TIMEOUT',
    kind: 'duration',
    group: 'Requests',
    unit: 's',
    default: '1',
    min: '0',
    max: '3600',
    description:
      'Accepted without effect: a read batch never waits for one more record, it ends with what is there.',
  },
  maxWritersInFlight: {
    env: 'RS_IO_MAX_WRITERS_IN_FLIGHT',
    kind: 'integer',
    group: 'Requests',
    default: '0',
    min: '0',
    max: '1000000000',
    description:
      'Writes of records under way at the same time; others wait as long as RS_IO_OPERATION_TIMEOUT, then get 429. 0 is no limit.',
  },
  rateLimitApi: {
    env: 'RS_RATE_LIMIT_API',
    kind: 'request-rate',
    group: 'Requests',
    description: 'Requests a client address may send; more get 429.',
  },
  rateLimitIngress: {
    env: 'RS_RATE_LIMIT_INGRESS',
    kind: 'byte-rate',
    group: 'Requests',
    description: 'Bytes of records a client address may write; more get 429.',
  },
  rateLimitEgress: {
    env: 'RS_RATE_LIMIT_EGRESS',
    kind: 'byte-rate',
    group: 'Requests',
    description: 'Bytes of records a client address may read; more get 429.',
  },
  replicationTimeoutMs: {
    env: 'RS_REPLICATION_TIMEOUT',
    kind: 'duration',
    group: 'Replication',
    unit: 's',
    default: '5',
    min: '0.1',
    max: '3600',
    description:
      'Longest pause before a target that cannot be connected to is tried again. It is at most 0.5 s anyway, so only smaller values change anything.',
  },
  replicationLogSize: {
    env: 'RS_REPLICATION_LOG_SIZE',
    kind: 'integer',
    group: 'Replication',
    min: '1',
    max: '1000000000',
    description:
      'Records a task may have pending; of more the oldest are dropped and counted. Not set: nothing is dropped that the source still has.',
  },
  replicationVerifySsl: {
    env: 'RS_REPLICATION_VERIFY_SSL',
    kind: 'boolean',
    group: 'Replication',
    default: 'true',
    description: 'Whether certificates of targets are checked.',
  },
  replicationCaPath: {
    env: 'RS_REPLICATION_CA_PATH',
    kind: 'text',
    group: 'Replication',
    description: 'PEM file with certificates to trust in addition, for all tasks.',
  },
  replicationCertPath: {
    env: 'MILLRACE_REPLICATION_CERT_PATH',
    kind: 'text',
    group: 'Replication',
    description:
      'PEM file with a certificate of this server and its chain, for targets that demand one.',
  },
  replicationKeyPath: {
    env: 'MILLRACE_REPLICATION_KEY_PATH',
    kind: 'text',
    group: 'Replication',
    description: 'PEM file with the key of that certificate, without passphrase.',
  },
  deadLettersMax: {
    env: 'MILLRACE_DEAD_LETTERS_MAX',
    kind: 'integer',
    group: 'Replication',
    default: '10000',
    min: '1',
    max: '1000000',
    description:
      'Records refused for good that are kept per task until somebody decides; beyond it the oldest are given up.',
  },
  replicationConcurrency: {
    env: 'MILLRACE_REPLICATION_CONCURRENCY',
    kind: 'integer',
    group: 'Replication',
    default: '16',
    min: '1',
    max: '64',
    description: 'Requests in flight per task, each for another entry.',
  },
  replicationThreads: {
    env: 'MILLRACE_REPLICATION_THREADS',
    kind: 'integer',
    group: 'Threads and memory',
    derived: 'half the cores, at least 1, at most 4',
    min: '1',
    max: '64',
    description: 'Threads that read, filter and send for replication tasks.',
  },
  queryThreads: {
    env: 'MILLRACE_QUERY_THREADS',
    kind: 'integer',
    group: 'Threads and memory',
    derived: 'half the cores, at least 1, at most 4',
    min: '1',
    max: '64',
    description: 'Threads that read for queries.',
  },
  ringSizeBytes: {
    env: 'MILLRACE_RING_SIZE',
    kind: 'size',
    group: 'Threads and memory',
    default: '64MiB',
    min: '1MiB',
    max: '1GiB',
    description:
      'Shared memory with the newest records; a task that falls further behind reads from disk.',
  },
  uploadMemoryBytes: {
    env: 'MILLRACE_UPLOAD_MEMORY',
    kind: 'size',
    group: 'Threads and memory',
    default: '256MiB',
    min: '1MiB',
    max: '64GiB',
    description:
      'Memory that all requests being received may hold; beyond it writers are slowed down, then refused with 503.',
  },
  readMemoryBytes: {
    env: 'MILLRACE_READ_MEMORY',
    kind: 'size',
    group: 'Threads and memory',
    default: '256MiB',
    min: '16MiB',
    max: '64GiB',
    description:
      'Memory that answers may hold until their clients have taken them; beyond it reads wait, and clients that take nothing are dropped.',
  },
  cacheMemoryBytes: {
    env: 'MILLRACE_CACHE_MEMORY',
    kind: 'size',
    group: 'Threads and memory',
    default: '64MiB',
    min: '1MiB',
    max: '64GiB',
    description: 'Memory of the store for data read from disk.',
  },
  systemEventsEnabled: {
    env: 'RS_SYSTEM_EVENTS_ENABLED',
    kind: 'switch',
    group: 'System events',
    default: 'true',
    description: 'Whether the server writes events about itself into the bucket $system.',
  },
  systemEventsQuotaSizeBytes: {
    env: 'RS_SYSTEM_EVENTS_QUOTA_SIZE',
    kind: 'size',
    group: 'System events',
    default: '10GB',
    min: '1',
    description: 'Size of the bucket $system, beyond which its oldest records go.',
  },
  systemEventsLogLevel: {
    env: 'RS_SYSTEM_EVENTS_LOG_LEVEL',
    kind: 'choice',
    group: 'System events',
    choices: ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'OFF'],
    default: 'WARN',
    description:
      'Lowest level of log lines that become events, whatever RS_LOG_LEVEL says; OFF takes none.',
  },
  logLevels: {
    env: 'RS_LOG_LEVEL',
    kind: 'log-levels',
    group: 'Logs',
    default: 'INFO',
    description: 'Lowest level that is logged.',
  },
  logFormat: {
    env: 'MILLRACE_LOG_FORMAT',
    kind: 'choice',
    group: 'Logs',
    choices: ['auto', 'json', 'pretty'],
    default: 'auto',
    description: 'One JSON object a line, or text for people; auto takes pretty on a terminal.',
  },
} as const;

export type OptionName = keyof typeof OPTIONS;

/** The rows in table order, in their general type. */
export const OPTION_ROWS: readonly (readonly [OptionName, OptionSpec])[] = typedRows(OPTIONS);

function typedRows(
  table: Readonly<Record<OptionName, OptionSpec>>,
): readonly (readonly [OptionName, OptionSpec])[] {
  const names = Object.keys(table).filter((name): name is OptionName => name in table);
  return names.map((name) => [name, table[name]] as const);
}
