/** Variables of what clients meet: where the server listens, who gets in, and what requests may ask for. See `options.ts`. */

export const SERVER_OPTIONS = {
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
} as const;

export const ACCESS_OPTIONS = {
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
} as const;

export const REQUEST_OPTIONS = {
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
} as const;
