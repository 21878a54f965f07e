/**
 * From a raw path to the operation it means (http-api §1.1). Pure; what the operations do is elsewhere.
 *
 * Entry names are a catch-all whose decoded form may end in a reserved suffix, and sensors send the same few paths
 * for ever, so paths are taken apart once and remembered.
 */
import { percentDecode } from '../wire/percent.ts';

/** What a path names, before the method is looked at. */
export const TARGETS = [
  'alive',
  'ready',
  'info',
  'list',
  'me',
  'metrics',
  'tokens',
  'token',
  'tokenRotate',
  'bucket',
  'bucketRename',
  'entry',
  'entryBatch',
  'entryQuery',
  'entryRename',
  'ioQuery',
  'ioRead',
  'ioWrite',
  'ioUpdate',
  'ioRemove',
  'replications',
  'replication',
  'replicationMode',
  'replicationBackfills',
  'replicationBackfill',
  'replicationCheck',
  'replicationPreview',
  'deadLetters',
  'deadLettersRetry',
  'replicationCompare',
  'lifecycles',
  'lifecycle',
  'lifecycleMode',
  'link',
  'redirectToUi',
  'badPath',
  'unknown',
] as const;
export type Target = (typeof TARGETS)[number];

export interface Route {
  readonly target: Target;
  /** Bucket, name of a token, task or policy, or file name of a link; empty where there is none. */
  readonly name: string;
  /** Also the id of a back-fill. */
  readonly entryName: string;
  /** For `badPath`: text of the 400 answer. */
  readonly text: string;
  /** Behind a reserved suffix: what the path means to methods that the suffix means nothing to. */
  readonly withoutSuffix: Route | undefined;
}

function route(target: Target, name = '', entryName = '', text = '', withoutSuffix?: Route): Route {
  return { target, name, entryName, text, withoutSuffix };
}

const UNKNOWN = route('unknown');

const FIXED: ReadonlyMap<string, Target> = new Map([
  ['alive', 'alive'],
  ['ready', 'ready'],
  ['info', 'info'],
  ['list', 'list'],
  ['me', 'me'],
  ['tokens', 'tokens'],
  ['lifecycles', 'lifecycles'],
]);

const ENTRY_SUFFIXES: readonly (readonly [suffix: string, target: Target])[] = [
  ['/batch', 'entryBatch'],
  ['/q', 'entryQuery'],
  ['/rename', 'entryRename'],
];

const IO_OPERATIONS: ReadonlyMap<string, Target> = new Map([
  ['q', 'ioQuery'],
  ['read', 'ioRead'],
  ['write', 'ioWrite'],
  ['update', 'ioUpdate'],
  ['remove', 'ioRemove'],
]);

/** Paths remembered, and the longest one worth remembering: together they bound the memory to a few MiB. */
const MAX_CACHED_PATHS = 4096;
const MAX_CACHED_PATH_LENGTH = 512;

export class Router {
  readonly #base: string;
  readonly #api: string;
  readonly #cache = new Map<string, Route>();

  /** @param basePath `RS_API_BASE_PATH`; begins and ends with `/`. */
  constructor(basePath: string) {
    this.#base = basePath;
    this.#api = `${basePath}api/v1/`;
  }

  /** @param path as it was sent, without the query. */
  resolve(path: string): Route {
    const known = this.#cache.get(path);
    if (known !== undefined) return known;
    const found = this.#parse(path);
    if (path.length <= MAX_CACHED_PATH_LENGTH) {
      if (this.#cache.size >= MAX_CACHED_PATHS) this.#cache.clear();
      this.#cache.set(path, found);
    }
    return found;
  }

  #parse(path: string): Route {
    if (path.startsWith(this.#api)) return parseApiPath(path.slice(this.#api.length));
    if (path === this.#base || path === `${this.#base}ui`) return route('redirectToUi');
    if (path === `${this.#base}metrics`) return route('metrics');
    return UNKNOWN;
  }
}

/** @param path behind `<base>api/v1/`. */
function parseApiPath(path: string): Route {
  const slash = path.indexOf('/');
  if (slash === -1) {
    const target = FIXED.get(path);
    if (target !== undefined) return route(target);
    return path === 'replications' ? route('replications') : UNKNOWN;
  }
  const rest = path.slice(slash + 1);
  switch (path.slice(0, slash)) {
    case 'b':
      return parseBucketPath(rest);
    case 'io':
      return parseIoPath(rest);
    case 'tokens':
      return parseTokenPath(rest);
    case 'lifecycles':
      return parseLifecyclePath(rest);
    case 'links':
      return parseLinkPath(rest);
    case 'replications':
      return parseReplicationPath(rest);
    default:
      return UNKNOWN;
  }
}

/** `<bucket>` or `<bucket>/<entry…>`. */
function parseBucketPath(path: string): Route {
  const slash = path.indexOf('/');
  const rawBucket = slash === -1 ? path : path.slice(0, slash);
  if (rawBucket === '') return UNKNOWN;
  const bucket = percentDecode(rawBucket, 'keep');
  if (bucket === undefined) return badPath('bucket_name');
  if (slash === -1) return route('bucket', bucket);
  const rawEntry = path.slice(slash + 1);
  if (rawEntry === '') return UNKNOWN;
  if (rawEntry === 'rename') return route('bucketRename', bucket);
  const entry = percentDecode(rawEntry, 'keep');
  if (entry === undefined) return badPath('entry_name');
  const whole = route('entry', bucket, entry);
  for (const [suffix, target] of ENTRY_SUFFIXES) {
    if (entry.length > suffix.length && entry.endsWith(suffix)) {
      return route(target, bucket, entry.slice(0, -suffix.length), '', whole);
    }
  }
  return whole;
}

/** `<name>` or `<name>/mode`. */
function parseLifecyclePath(path: string): Route {
  const slash = path.indexOf('/');
  const isMode = slash !== -1 && path.slice(slash + 1) === 'mode';
  const rawName = slash === -1 ? path : path.slice(0, slash);
  if (rawName === '' || (slash !== -1 && !isMode)) return UNKNOWN;
  const name = percentDecode(rawName, 'keep');
  if (name === undefined) return badPath('lifecycle_name');
  return route(isMode ? 'lifecycleMode' : 'lifecycle', name);
}

/** The file name of a link may be anything, it is only decoration. */
function parseLinkPath(path: string): Route {
  if (path === '') return UNKNOWN;
  const file = percentDecode(path, 'keep');
  return file === undefined ? badPath('file_name') : route('link', file);
}

/** `<bucket>/<operation>`. */
function parseIoPath(path: string): Route {
  const slash = path.indexOf('/');
  if (slash <= 0) return UNKNOWN;
  const target = IO_OPERATIONS.get(path.slice(slash + 1));
  if (target === undefined) return UNKNOWN;
  const bucket = percentDecode(path.slice(0, slash), 'keep');
  return bucket === undefined ? badPath('bucket_name') : route(target, bucket);
}

/** `<name>` or `<name>/rotate`. */
function parseTokenPath(path: string): Route {
  const slash = path.indexOf('/');
  const isRotation = slash !== -1 && path.slice(slash + 1) === 'rotate';
  const rawName = slash === -1 ? path : path.slice(0, slash);
  if (rawName === '' || (slash !== -1 && !isRotation)) return UNKNOWN;
  const name = percentDecode(rawName, 'keep');
  if (name === undefined) return badPath('token_name');
  return route(isRotation ? 'tokenRotate' : 'token', name);
}

/** What may follow the name of a task. */
const OF_REPLICATION: ReadonlyMap<string, Target> = new Map([
  ['mode', 'replicationMode'],
  ['check', 'replicationCheck'],
  ['preview', 'replicationPreview'],
  ['backfills', 'replicationBackfills'],
  ['dead_letters', 'deadLetters'],
  ['dead_letters/retry', 'deadLettersRetry'],
  ['compare', 'replicationCompare'],
]);

const BACKFILL = /^backfills\/([^/]+)$/;

/** `[<name>[/<part>]]`, each also with a slash behind it (replication §1). */
function parseReplicationPath(path: string): Route {
  const trimmed = path.endsWith('/') ? path.slice(0, -1) : path;
  if (trimmed === '') return path === '' ? route('replications') : UNKNOWN;
  const slash = trimmed.indexOf('/');
  const name = percentDecode(slash === -1 ? trimmed : trimmed.slice(0, slash), 'keep');
  if (name === undefined) return badPath('replication_name');
  if (slash === -1) return route('replication', name);
  if (slash === 0) return UNKNOWN;
  const part = trimmed.slice(slash + 1);
  const target = OF_REPLICATION.get(part);
  if (target !== undefined) return route(target, name);
  const backfill = BACKFILL.exec(part)?.[1];
  return backfill === undefined ? UNKNOWN : route('replicationBackfill', name, backfill);
}

function badPath(parameter: string): Route {
  return route('badPath', '', '', `Invalid UTF-8 in ${parameter}`);
}
