/** Variables of what an instance does behind its front: storage, replication, threads, events and logs. See `options.ts`. */

export const STORAGE_OPTIONS = {
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
} as const;

export const REPLICATION_OPTIONS = {
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
} as const;

export const THREAD_OPTIONS = {
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
} as const;

export const EVENT_OPTIONS = {
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
} as const;

export const LOG_OPTIONS = {
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
