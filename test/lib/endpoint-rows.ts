/** One row per method and path of the API (http-api §5): who may use it, and what those who may are answered. */
import type { Target } from '../../src/http/router.ts';

/** – anonymous, A any valid token, F full access, R and W read and write access to the bucket. */
export type Need = '-' | 'A' | 'F' | 'R' | 'W';

export interface ExpectedAnswer {
  readonly status: number;
  /** `x-reduct-error`; undefined for none. */
  readonly error?: string;
}

export interface EndpointRow {
  readonly target: Target;
  readonly method: string;
  /** Below `/api/v1`, unless `isAbsolute`. @param turn another number for each request. */
  readonly path: (turn: number) => string;
  readonly isAbsolute?: boolean;
  readonly need: Need;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The answer to all who are allowed, however often they ask. */
  readonly granted: ExpectedAnswer;
  /** Where it differs without authentication. */
  readonly open?: ExpectedAnswer;
}

const OK: ExpectedAnswer = { status: 200 };
const DISABLED: ExpectedAnswer = { status: 400, error: 'Authentication is disabled' };
const NO_QUERY: ExpectedAnswer = {
  status: 404,
  error: 'Query 404 not found and it might have expired. Check TTL in your query request.',
};
const UNTRIED: ExpectedAnswer = {
  status: 404,
  error:
    "Replication 'missing' does not exist: send settings as for creating it, or name one that does",
};
const NO_TASK: ExpectedAnswer = { status: 404, error: "Replication 'missing' does not exist" };

/** `bucket` exists, with a record at 1 in `entry`; `missing` never does. */
export const TEST_BUCKET = 'bucket';

type RowOptions = Omit<EndpointRow, 'target' | 'method' | 'path' | 'need' | 'granted'>;

function row(
  target: Target,
  method: string,
  path: string | ((turn: number) => string),
  need: Need,
  granted: ExpectedAnswer = OK,
  options: RowOptions = {},
): EndpointRow {
  const pathOf = typeof path === 'string' ? () => path : path;
  return { target, method, path: pathOf, need, granted, ...options };
}

/** GET, and HEAD with the same need unless it is told. */
function reading(
  target: Target,
  path: string,
  need: Need,
  granted: ExpectedAnswer = OK,
  options: RowOptions & { readonly headNeed?: Need } = {},
): EndpointRow[] {
  const { headNeed = need, ...rest } = options;
  return [
    row(target, 'GET', path, need, granted, rest),
    row(target, 'HEAD', path, headNeed, granted, rest),
  ];
}

const QUERY = { body: '{"query_type":"QUERY"}' };
const MULTI_QUERY = { body: '{"query_type":"QUERY","entries":["entry"]}' };
const BAD_JSON: ExpectedAnswer = {
  status: 422,
  error: 'Invalid JSON: EOF while parsing an object at line 1 column 1',
};
const LINK = {
  bucket: 'bucket',
  entry: 'entry',
  record_entry: 'entry',
  record_timestamp: 1,
  expire_at: 4_000_000_000,
  query: { query_type: 'QUERY' },
};
const SETTINGS = { body: '{"src_bucket":"bucket","dst_bucket":"x","dst_host":"http://localhost"}' };

const REMOVAL = { body: '{"query_type":"REMOVE","start":404,"stop":405}' };
const NO_BUCKET: ExpectedAnswer = { status: 404, error: "Bucket 'missing' is not found" };

const BUCKETS: readonly EndpointRow[] = [
  ...reading('bucket', '/b/bucket', 'R', OK, { headNeed: 'A' }),
  row('bucket', 'POST', '/b/bucket', 'F', {
    status: 409,
    error: "Bucket 'bucket' already exists",
  }),
  row('bucket', 'PUT', '/b/missing', 'F', NO_BUCKET, { body: '{}' }),
  row('bucket', 'DELETE', '/b/missing', 'F', NO_BUCKET),
  row('bucketRename', 'PUT', '/b/missing/rename', 'F', NO_BUCKET, {
    headers: { 'content-type': 'application/json' },
    body: '{"new_name":"renamed"}',
  }),
];

const NO_RECORD: ExpectedAnswer = {
  status: 404,
  error: 'Record 404 not found in entry bucket/entry',
};
const NO_ENTRY: ExpectedAnswer = {
  status: 404,
  error: "Entry 'missing' not found in bucket 'bucket'",
};
const META_ENTRY: ExpectedAnswer = {
  status: 422,
  error: "Can't delete system entry 'entry/$meta'; remove the parent entry instead",
};
const META_RECORDS: ExpectedAnswer = {
  status: 422,
  error: "Can't delete records from system entry 'entry/$meta'; use label update with remove=true",
};

const ENTRIES: readonly EndpointRow[] = [
  ...reading('entry', '/b/bucket/entry?ts=1', 'R'),
  ...reading('entry', '/b/bucket/entry?q=404', 'R', NO_QUERY),
  row('entry', 'POST', (turn) => `/b/bucket/written?ts=${turn}`, 'W', OK, { body: 'x' }),
  ...reading('entryBatch', '/b/bucket/entry/batch?q=404', 'R', NO_QUERY),
  row('entryBatch', 'POST', '/b/bucket/entry/batch', 'W', OK, { body: '' }),
  ...reading('entryQuery', '/b/bucket/entry/q', 'R'),
  row('entryQuery', 'POST', '/b/bucket/entry/q', 'R', OK, QUERY),
  row('entry', 'PATCH', '/b/bucket/entry?ts=404', 'W', NO_RECORD),
  row('entry', 'DELETE', '/b/bucket/entry?ts=404', 'W', NO_RECORD),
  row('entry', 'DELETE', '/b/bucket/missing', 'W', NO_ENTRY),
  // Before the token is looked at (http-api §1.4), unless it is about one record.
  row('entry', 'DELETE', '/b/bucket/entry/$meta', '-', META_ENTRY),
  row('entry', 'DELETE', '/b/bucket/entry/$meta?ts=1', 'W', META_RECORDS),
  row('entryBatch', 'PATCH', '/b/bucket/entry/batch', 'W'),
  row('entryBatch', 'DELETE', '/b/bucket/entry/batch', 'W'),
  row('entryQuery', 'POST', '/b/bucket/entry/q', 'W', OK, REMOVAL),
  row('entryQuery', 'DELETE', '/b/bucket/entry/q?start=404&stop=405', 'W'),
  row('entryQuery', 'DELETE', '/b/bucket/entry/$meta/q?start=0', '-', META_RECORDS),
  row('entryRename', 'PUT', '/b/bucket/missing/rename', 'W', NO_ENTRY, {
    body: '{"new_name":"renamed"}',
  }),
];

const IO: readonly EndpointRow[] = [
  row('ioQuery', 'POST', '/io/bucket/q', 'R', OK, MULTI_QUERY),
  ...reading('ioRead', '/io/bucket/read', 'R', NO_QUERY, {
    headers: { 'x-reduct-query-id': '404' },
  }),
  row('ioWrite', 'POST', '/io/bucket/write', 'W', OK, {
    body: '',
    headers: { 'x-reduct-entries': 'entry', 'x-reduct-start-ts': '1' },
  }),
  row('ioQuery', 'POST', '/io/bucket/q', 'W', OK, REMOVAL),
  row('ioUpdate', 'PATCH', '/io/bucket/update', 'W', OK, {
    headers: { 'x-reduct-entries': 'entry', 'x-reduct-start-ts': '1' },
  }),
  row('ioRemove', 'DELETE', '/io/bucket/remove', 'W', OK, {
    headers: { 'x-reduct-entries': 'entry', 'x-reduct-start-ts': '1' },
  }),
];

const TOKENS: readonly EndpointRow[] = [
  ...reading('tokens', '/tokens', 'F'),
  ...reading('token', '/tokens/reader', 'F', OK, { open: DISABLED }),
  row(
    'token',
    'POST',
    '/tokens/reader',
    'F',
    { status: 409, error: "Token 'reader' already exists" },
    { body: '{}', open: DISABLED },
  ),
  row(
    'token',
    'DELETE',
    '/tokens/missing',
    'F',
    { status: 404, error: "Token 'missing' doesn't exist" },
    { open: OK },
  ),
  row(
    'tokenRotate',
    'POST',
    '/tokens/missing/rotate',
    'F',
    { status: 404, error: "Token 'missing' doesn't exist" },
    { open: DISABLED },
  ),
];

const REPLICATIONS: readonly EndpointRow[] = [
  ...reading('replications', '/replications', 'F'),
  ...reading('replication', '/replications/missing', 'F', NO_TASK),
  row('replication', 'POST', '/replications/missing', 'F', BAD_JSON, { body: '{' }),
  row('replication', 'PUT', '/replications/missing', 'F', NO_TASK, SETTINGS),
  row('replication', 'DELETE', '/replications/missing', 'F', NO_TASK),
  row('replicationCheck', 'POST', '/replications/missing/check', 'F', UNTRIED),
  row('replicationPreview', 'POST', '/replications/missing/preview', 'F', UNTRIED),
  row('replicationMode', 'PATCH', '/replications/missing/mode', 'F', NO_TASK, {
    body: '{"mode":"paused"}',
  }),
  ...reading('replicationBackfills', '/replications/missing/backfills', 'F', NO_TASK),
  row('replicationBackfills', 'POST', '/replications/missing/backfills', 'F', NO_TASK, {
    body: '{}',
  }),
  ...reading('replicationBackfill', '/replications/missing/backfills/1', 'F', NO_TASK),
  row('replicationBackfill', 'PATCH', '/replications/missing/backfills/1', 'F', NO_TASK, {
    body: '{"state":"paused"}',
  }),
  row('replicationBackfill', 'DELETE', '/replications/missing/backfills/1', 'F', NO_TASK),
  ...reading('replicationCompare', '/replications/missing/compare', 'F', NO_TASK),
  row('replicationCompare', 'POST', '/replications/missing/compare', 'F', NO_TASK, { body: '{}' }),
  row('replicationCompare', 'DELETE', '/replications/missing/compare', 'F', NO_TASK),
  ...reading('deadLetters', '/replications/missing/dead_letters', 'F', NO_TASK),
  row('deadLetters', 'DELETE', '/replications/missing/dead_letters', 'F', NO_TASK, {
    body: '{"all":true}',
  }),
  row('deadLettersRetry', 'POST', '/replications/missing/dead_letters/retry', 'F', NO_TASK, {
    body: '{"all":true}',
  }),
];

const LINKS: readonly EndpointRow[] = [
  ...reading('link', '/links/file', '-', { status: 422, error: "Missing 'ct' parameter" }),
  row('link', 'POST', '/links/file', 'R', OK, { body: JSON.stringify(LINK) }),
];

const NO_POLICY: ExpectedAnswer = { status: 404, error: "Lifecycle 'missing' does not exist" };
const POLICY = { body: '{"type":"delete","bucket":"missing","older_than":"1d"}' };

const LIFECYCLES: readonly EndpointRow[] = [
  ...reading('lifecycles', '/lifecycles', 'F'),
  ...reading('lifecycle', '/lifecycles/missing', 'F', NO_POLICY),
  row(
    'lifecycle',
    'POST',
    '/lifecycles/missing',
    'F',
    { status: 404, error: "Bucket 'missing' for lifecycle 'missing' does not exist" },
    POLICY,
  ),
  row('lifecycle', 'PUT', '/lifecycles/missing', 'F', NO_POLICY, POLICY),
  row('lifecycle', 'DELETE', '/lifecycles/missing', 'F', NO_POLICY),
  row('lifecycleMode', 'PATCH', '/lifecycles/missing/mode', 'F', NO_POLICY, {
    body: '{"mode":"disabled"}',
  }),
];

export const ENDPOINT_ROWS: readonly EndpointRow[] = [
  ...reading('alive', '/alive', '-'),
  ...reading('ready', '/ready', '-'),
  ...reading('info', '/info', 'A'),
  ...reading('list', '/list', 'A'),
  ...reading('me', '/me', 'A'),
  ...reading('metrics', '/metrics', 'F', OK, { isAbsolute: true }),
  ...BUCKETS,
  ...ENTRIES,
  ...IO,
  ...TOKENS,
  ...REPLICATIONS,
  ...LINKS,
  ...LIFECYCLES,
];
