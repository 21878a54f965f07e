/** Tries a target as a task would meet it, without writing anything there. Runs in workers; bounded in time. */
import { BucketMatcher } from '../../auth/permissions.ts';
import { type AnswerHeaders, answerMessage } from '../answer-headers.ts';
import { encodePath } from '../scan/entry-path.ts';
import { parseDestinationUrl } from '../destination-url.ts';
import { SAME_BUCKET_TEXT } from '../settings-checks.ts';
import { requestText } from '../transfer/answer-body.ts';
import { chooseCoding } from '../transfer/compression.ts';
import { RequestGroup } from '../transfer/exchange.ts';
import { TargetClient, type TargetOptions } from '../transfer/target-client.ts';
import { isAtLeast, readTargetInfo, type TargetInfo } from '../transfer/target-info.ts';
import { classifyTransportError } from '../transport-error.ts';
import { clockFinding } from './clock.ts';
import { ok, problem, skipped } from './findings.ts';
import { reach, rounded } from './reach.ts';
import type { Finding, TargetTrial } from './types.ts';

/** Limit of each step; there are four of them at most. */
export const TRIAL_STEP_MS = 5_000;

const MAX_BODY_BYTES = 1024 * 1024;

/** Round trips over one connection, of which the shortest counts. */
const ROUND_TRIPS = 3;

/** Later names of findings depend on an answer. */
const FROM_ANSWERS = [
  'version',
  'token',
  'bucket',
  'loop',
  'compression',
  'clock',
  'round_trip',
] as const;

/** Never rejects for what a target or a network does. */
export async function tryTarget(
  trial: TargetTrial,
  options: TargetOptions,
): Promise<readonly Finding[]> {
  const limits = {
    ...options,
    connectTimeoutMs: TRIAL_STEP_MS,
    noProgressTimeoutMs: TRIAL_STEP_MS,
  };
  const url = parseDestinationUrl(trial.dstHost);
  const way = await reach(url, limits);
  if (way.some(({ status }) => status === 'error')) {
    return [...way, ...FROM_ANSWERS.map((name) => skipped(name, 'the target cannot be reached'))];
  }
  const client = new TargetClient(url, trial.dstToken, limits);
  const group = new RequestGroup();
  const limit = new Error(`The target took longer than ${TRIAL_STEP_MS} ms to answer`);
  limit.name = 'TimeoutError';
  const timer = setTimeout(() => group.abort(limit), 2 * TRIAL_STEP_MS);
  try {
    return [...way, ...(await askTarget(trial, client, group))];
  } catch (error) {
    const { message } = classifyTransportError(error);
    const hint = client.mayLackCertificate
      ? 'The port is open, but HTTP fails there; is it the right port, and does the target demand a client certificate?'
      : 'The port is open, but HTTP fails there; is it the right port and scheme?';
    const first = problem('version', 'error', message, hint);
    return [...way, first, ...FROM_ANSWERS.slice(1).map((name) => skipped(name, 'no answer'))];
  } finally {
    clearTimeout(timer);
    void client.close();
  }
}

interface Answered {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly text: string;
  readonly sentMs: number;
  readonly roundTripMs: number;
}

async function askTarget(
  trial: TargetTrial,
  client: TargetClient,
  group: RequestGroup,
): Promise<readonly Finding[]> {
  const ask = (path: string): Promise<Answered> => askFor(client, group, path);
  const bucketPath = `b/${encodePath(trial.dstBucket)}`;
  const bucket = await ask(bucketPath);
  const me = await ask('me');
  const again = [me];
  while (again.length < ROUND_TRIPS) again.push(await ask(bucketPath));
  const best = again.reduce((a, b) => (a.roundTripMs <= b.roundTripMs ? a : b));
  const target = readTargetInfo(bucket.headers);
  const permissions = readPermissions(me);
  return [
    versionFinding(bucket, target),
    tokenFinding(trial, bucket, me, permissions),
    bucketFinding(trial, bucket, permissions),
    loopFinding(trial, target),
    compressionFinding(trial, target),
    clockFinding(best.headers['date'], best.sentMs, best.roundTripMs),
    ok('round_trip', `${rounded(best.roundTripMs)} ms`, {
      round_trip_ms: rounded(best.roundTripMs),
    }),
  ];
}

async function askFor(client: TargetClient, group: RequestGroup, path: string): Promise<Answered> {
  const request = { method: 'GET', path, headers: [], recordHeaders: null, body: null } as const;
  const sentMs = Date.now();
  const startMs = performance.now();
  const { status, headers, text } = await requestText(client, request, group, MAX_BODY_BYTES);
  return { status, headers, text, sentMs, roundTripMs: performance.now() - startMs };
}

function versionFinding({ status, headers }: Answered, { apiVersion }: TargetInfo): Finding {
  const server = typeof headers['server'] === 'string' ? headers['server'] : null;
  const api = apiVersion && `${apiVersion.major}.${apiVersion.minor}`;
  const details = { api, server, status };
  if (apiVersion === null) {
    const hint =
      'Is this a ReductStore or Millrace server, and is the base path in dst_host right?';
    return problem('version', 'warning', 'the answer has no x-reduct-api header', hint, details);
  }
  const text = `API ${api ?? ''}${server === null ? '' : `, ${server}`}`;
  if (isAtLeast(apiVersion, { major: 1, minor: 19 })) return ok('version', text, details);
  const hint =
    'Entries with "/" in their names and attachments need 1.19 or later; such records become dead letters.';
  return problem('version', 'warning', text, hint, details);
}

interface TokenPermissions {
  readonly name: string | null;
  readonly isFull: boolean;
  canRead(bucketName: string): boolean;
  canWrite(bucketName: string): boolean;
}

/** @returns `null` when the answer to `/me` does not say. */
function readPermissions({ status, text }: Answered): TokenPermissions | null {
  if (status !== 200) return null;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    // Some page of a proxy or another server.
    return null;
  }
  const { name, permissions } = asObject(body);
  const { full_access: full, read, write } = asObject(permissions);
  const readable = new BucketMatcher(texts(read));
  const writable = new BucketMatcher(texts(write));
  return {
    name: typeof name === 'string' ? name : null,
    isFull: full === true,
    canRead: (bucketName) => full === true || readable.matches(bucketName),
    canWrite: (bucketName) => full === true || writable.matches(bucketName),
  };
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function tokenFinding(
  { dstToken, dstBucket, isTokenWithheld }: TargetTrial,
  bucket: Answered,
  me: Answered,
  permissions: TokenPermissions | null,
): Finding {
  const withheld = isTokenWithheld
    ? ' The stored token belongs to another URL and was not sent: give dst_token.'
    : '';
  const refusal = [bucket, me].find(({ status }) => status === 401);
  if (refusal !== undefined) {
    const text = `401 ${answerMessage(refusal.headers)}`;
    const hint = `${dstToken === null ? 'Give a token of the target in dst_token.' : 'Give another token in dst_token.'}${withheld}`;
    return problem('token', 'error', text, hint, { is_given: dstToken !== null });
  }
  if (permissions === null) {
    const text = `its permissions are unknown: /me answered ${me.status}`;
    return problem('token', 'warning', text, null, { is_given: dstToken !== null });
  }
  const canRead = permissions.canRead(dstBucket) && bucket.status !== 403;
  const canWrite = permissions.canWrite(dstBucket);
  const details = {
    is_given: dstToken !== null,
    name: permissions.name,
    full_access: permissions.isFull,
    can_read: canRead,
    can_write: canWrite,
  };
  if (canRead && canWrite) return ok('token', 'may read and write the bucket', details);
  const missing = [canRead ? '' : 'read', canWrite ? '' : 'write'].filter((word) => word !== '');
  const text = `may not ${missing.join(' nor ')} bucket '${dstBucket}'`;
  const hint = `A task needs read and write access to the bucket.${withheld}`;
  return problem('token', 'error', text, hint, details);
}

function bucketFinding(
  { dstBucket }: TargetTrial,
  { status, headers }: Answered,
  permissions: TokenPermissions | null,
): Finding {
  if (status >= 200 && status < 300) {
    return ok('bucket', `'${dstBucket}' exists`, { exists: true, would_be_created: false });
  }
  if (status !== 404) {
    const text = `${status} ${answerMessage(headers)}`;
    const hint =
      status === 401 || status === 403
        ? null
        : 'A task would wait until the target answers otherwise.';
    return problem('bucket', 'error', text, hint, { exists: null, would_be_created: null });
  }
  const mayCreate = permissions?.isFull ?? null;
  const details = { exists: false, would_be_created: mayCreate };
  if (mayCreate === true) {
    const hint = "It gets the target's default settings; create it before if it needs a quota.";
    return problem(
      'bucket',
      'warning',
      `'${dstBucket}' does not exist and would be created`,
      hint,
      details,
    );
  }
  const hint = 'Create it at the target, or give a token with full access.';
  const text = `'${dstBucket}' does not exist, and the token may not create it`;
  return problem('bucket', 'error', text, hint, details);
}

function loopFinding(trial: TargetTrial, { instanceId, bucketId }: TargetInfo): Finding {
  const details = {
    target_instance: instanceId,
    is_same_instance: instanceId === trial.sourceInstanceId,
  };
  const isOwn =
    instanceId === null
      ? trial.isOwnByName
      : details.is_same_instance && bucketId !== null && bucketId === trial.sourceBucketId;
  // By its name it is refused with any prefix.
  if (trial.isOwnByName || (isOwn && trial.dstPrefix === '')) {
    const hint = 'Choose another bucket.';
    return problem('loop', 'error', SAME_BUCKET_TEXT, hint, { ...details, is_same_bucket: true });
  }
  if (isOwn) {
    const text = 'the bucket is its own destination; records below the prefix are not copied again';
    return problem('loop', 'warning', text, null, { ...details, is_same_bucket: true });
  }
  if (instanceId === null) {
    const text = 'the target does not say who it is, so only its address was compared';
    const hint = 'Do not let such a server replicate back: each record would be sent once more.';
    return problem('loop', 'warning', text, hint, { ...details, is_same_bucket: false });
  }
  return ok('loop', 'not the source bucket', { ...details, is_same_bucket: false });
}

function compressionFinding({ compression }: TargetTrial, target: TargetInfo): Finding {
  const canGzip = chooseCoding('gzip', target).coding !== null;
  const { coding, note } = chooseCoding(compression, target);
  const details = { wanted: compression, used: coding ?? 'none', target_decompresses: canGzip };
  if (note !== null) return problem('compression', 'warning', note, null, details);
  const other = canGzip ? 'gzip and zstd are possible' : 'the target does not decompress';
  return ok('compression', compression === 'none' ? `none; ${other}` : `${compression}`, details);
}
