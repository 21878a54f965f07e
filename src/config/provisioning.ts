/**
 * Buckets, tokens, lifecycle policies and replication tasks that the environment asks for (http-api §7). What cannot be understood is left out or falls back
 * to its default with a warning, as the contract has it: these variables come in any number, and one of them must not
 * keep a server from starting.
 */
import { onePerName } from './one-per-name.ts';
import { loadReplications } from './replication-variables.ts';
import type { ProvisionedReplication } from './replication-variables.ts';
import { parseJson } from '../wire/json.ts';
import { checkBucketName } from '../wire/names.ts';
import { parseRfc3339 } from '../wire/rfc3339.ts';
import type { Instant } from '../wire/rfc3339.ts';
import { acceptedText, parseOption } from './kinds.ts';
import type { KindValues, OptionSpec } from './kinds.ts';

/** Settings that are undefined keep their value, or begin with the default. */
export interface ProvisionedBucket {
  readonly name: string;
  readonly quotaType: 'NONE' | 'FIFO' | 'HARD' | undefined;
  readonly quotaSizeBytes: number | undefined;
  readonly maxBlockSizeBytes: number | undefined;
  readonly maxBlockRecords: number | undefined;
}

export interface ProvisionedToken {
  readonly name: string;
  readonly value: string;
  readonly hasFullAccess: boolean;
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly expiresAt: Instant | undefined;
}

/** What a policy has to be beyond this is checked when it begins to work. */
export interface ProvisionedLifecycle {
  readonly name: string;
  readonly settings: {
    readonly type: 'delete' | 'compress';
    readonly bucketName: string;
    readonly entries: readonly string[];
    readonly olderThan: string;
    readonly interval: string;
    readonly whenText: string | undefined;
    readonly processingInterval: string | undefined;
  };
  /** Undefined: as it was. */
  readonly mode: 'enabled' | 'disabled' | 'dry_run' | undefined;
}

export interface Provisioning {
  /** Each name once. */
  readonly buckets: readonly ProvisionedBucket[];
  /** Each name once. */
  readonly tokens: readonly ProvisionedToken[];
  /** Each name once. */
  readonly lifecycles: readonly ProvisionedLifecycle[];
  /** Each name once. */
  readonly replications: readonly ProvisionedReplication[];
}

export const NO_PROVISIONING: Provisioning = {
  buckets: [],
  tokens: [],
  lifecycles: [],
  replications: [],
};

export interface LoadedProvisioning {
  readonly provisioning: Provisioning;
  /** One line each; values of tokens are never in them. */
  readonly warnings: readonly string[];
  /** What is left out although it was asked for. */
  readonly errors: readonly string[];
  /** Variables of replication tasks, whose names have no pattern. */
  readonly usedNames: ReadonlySet<string>;
}

const QUOTA_TYPES = ['NONE', 'FIFO', 'HARD'] as const;

const BUCKET_FIELDS = [
  'NAME',
  'QUOTA_TYPE',
  'QUOTA_SIZE',
  'MAX_BLOCK_SIZE',
  'MAX_BLOCK_RECORDS',
] as const;
const TOKEN_FIELDS = ['NAME', 'VALUE', 'FULL_ACCESS', 'READ', 'WRITE', 'EXPIRES_AT'] as const;
const LIFECYCLE_FIELDS = [
  'NAME',
  'TYPE',
  'BUCKET',
  'OLDER_THAN',
  'PROCESSING_INTERVAL',
  'INTERVAL',
  'ENTRIES',
  'WHEN',
  'MODE',
] as const;
const LIFECYCLE_TYPES = ['delete', 'compress'] as const;
const LIFECYCLE_MODES = ['enabled', 'disabled', 'dry_run'] as const;
const DEFAULT_LIFECYCLE_INTERVAL = '3600s';

const BUCKET_PATTERN = new RegExp(`^RS_BUCKET_(.+)_(${BUCKET_FIELDS.join('|')})$`);
const TOKEN_PATTERN = new RegExp(`^RS_TOKEN_(.+)_(${TOKEN_FIELDS.join('|')})$`);
/** The id takes as little as it can, so that `…_PROCESSING_INTERVAL` is not the interval of another one. */
const LIFECYCLE_PATTERN = new RegExp(`^RS_LIFECYCLE_(.+?)_(${LIFECYCLE_FIELDS.join('|')})$`);

/** True for the name of a variable that this module reads. */
export function isProvisioningName(name: string): boolean {
  return BUCKET_PATTERN.test(name) || TOKEN_PATTERN.test(name) || LIFECYCLE_PATTERN.test(name);
}

export function loadProvisioning(env: NodeJS.ProcessEnv): LoadedProvisioning {
  const warnings: string[] = [];
  const buckets = [...groups(env, BUCKET_PATTERN, 'RS_BUCKET_', warnings)]
    .map((group) => toBucket(group))
    .filter((bucket) => bucket !== undefined);
  const tokens = [...groups(env, TOKEN_PATTERN, 'RS_TOKEN_', warnings)]
    .map((group) => toToken(group))
    .filter((token) => token !== undefined);
  const lifecycles = [...groups(env, LIFECYCLE_PATTERN, 'RS_LIFECYCLE_', warnings)]
    .map((group) => toLifecycle(group))
    .filter((lifecycle) => lifecycle !== undefined);
  const { replications, ...others } = loadReplications(env);
  return {
    provisioning: {
      replications,
      buckets: onePerName(buckets, 'bucket', warnings),
      tokens: onePerName(tokens, 'token', warnings),
      lifecycles: onePerName(lifecycles, 'lifecycle', warnings),
    },
    warnings: [...warnings, ...others.warnings],
    errors: others.errors,
    usedNames: others.used,
  };
}

/** The variables of one `<ID>`. */
class Group {
  /** With the `_` behind the id. */
  readonly prefix: string;
  readonly #values: ReadonlyMap<string, string>;
  readonly #warnings: string[];

  constructor(prefix: string, values: ReadonlyMap<string, string>, warnings: string[]) {
    this.prefix = prefix;
    this.#values = values;
    this.#warnings = warnings;
  }

  text(field: string): string | undefined {
    return this.#values.get(field);
  }

  /** Undefined, with a warning, for what is not accepted. */
  value<K extends 'size' | 'integer' | 'boolean' | 'list' | 'token'>(
    field: string,
    kind: K,
  ): KindValues[K] | undefined {
    const text = this.text(field);
    if (text === undefined) return undefined;
    const spec: OptionSpec = { env: this.prefix + field, kind, group: '', description: '' };
    // The parser of a kind gives the type of that kind.
    const value = parseOption(spec, text) as KindValues[K] | undefined;
    if (value === undefined) this.ignore(field, `accepted: ${acceptedText(spec)}`);
    return value;
  }

  ignore(field: string, reason: string): void {
    this.#warnings.push(`${this.prefix}${field} is ignored; ${reason}`);
  }

  drop(what: string, reason: string): undefined {
    this.#warnings.push(`${this.prefix}*: no ${what} is provisioned; ${reason}`);
    return undefined;
  }
}

/** In the order of ids; empty values are not set. */
function* groups(
  env: NodeJS.ProcessEnv,
  pattern: RegExp,
  prefix: string,
  warnings: string[],
): Iterable<Group> {
  const byId = new Map<string, Map<string, string>>();
  for (const name of Object.keys(env).toSorted()) {
    const [, id, field] = pattern.exec(name) ?? [];
    const text = env[name]?.trim() ?? '';
    if (id === undefined || field === undefined || text === '') continue;
    const values = byId.get(id) ?? new Map<string, string>();
    values.set(field, text);
    byId.set(id, values);
  }
  for (const [id, values] of byId) yield new Group(`${prefix}${id}_`, values, warnings);
}

function toBucket(group: Group): ProvisionedBucket | undefined {
  const name = group.text('NAME');
  if (name === undefined) return group.drop('bucket', `${group.prefix}NAME is not set`);
  if (!isBucketName(name)) {
    return group.drop('bucket', 'its name may have letters, digits, - and _ only');
  }
  const typeText = group.text('QUOTA_TYPE')?.toUpperCase();
  const quotaType = QUOTA_TYPES.find((type) => type === typeText);
  if (typeText !== undefined && quotaType === undefined) {
    group.ignore('QUOTA_TYPE', `accepted: one of ${QUOTA_TYPES.join(', ')}`);
  }
  return {
    name,
    quotaType,
    quotaSizeBytes: group.value('QUOTA_SIZE', 'size'),
    maxBlockSizeBytes: group.value('MAX_BLOCK_SIZE', 'size'),
    maxBlockRecords: group.value('MAX_BLOCK_RECORDS', 'integer'),
  };
}

function isBucketName(name: string): boolean {
  try {
    checkBucketName(name);
    return true;
  } catch {
    return false;
  }
}

function toToken(group: Group): ProvisionedToken | undefined {
  const name = group.text('NAME');
  if (name === undefined) return group.drop('token', `${group.prefix}NAME is not set`);
  if (group.text('VALUE') === undefined) {
    return group.drop('token', `${group.prefix}VALUE is not set`);
  }
  const value = group.value('VALUE', 'token');
  if (value === undefined) return group.drop('token', 'its value cannot be sent in a header');
  const expiresText = group.text('EXPIRES_AT');
  const expiresAt = expiresText === undefined ? undefined : parseRfc3339(expiresText);
  if (expiresText !== undefined && expiresAt === undefined) {
    group.ignore('EXPIRES_AT', 'accepted: a date as in 2026-08-21T15:14:17Z');
  }
  return {
    name,
    value,
    hasFullAccess: group.value('FULL_ACCESS', 'boolean') ?? false,
    read: group.value('READ', 'list') ?? [],
    write: group.value('WRITE', 'list') ?? [],
    expiresAt,
  };
}

/** Nothing of a policy falls back to a default: a slip of the pen must not remove records. */
function toLifecycle(group: Group): ProvisionedLifecycle | undefined {
  const text = (field: string): string | undefined => group.text(field);
  const missing = ['NAME', 'TYPE', 'BUCKET', 'OLDER_THAN'].find(
    (field) => text(field) === undefined,
  );
  if (missing !== undefined) {
    return group.drop('lifecycle', `${group.prefix}${missing} is not set`);
  }
  const type = LIFECYCLE_TYPES.find((name) => name === text('TYPE')?.toLowerCase());
  if (type === undefined) {
    return group.drop('lifecycle', `its type is not one of ${LIFECYCLE_TYPES.join(', ')}`);
  }
  const mode = LIFECYCLE_MODES.find((name) => name === text('MODE')?.toLowerCase());
  if (mode === undefined && text('MODE') !== undefined) {
    return group.drop('lifecycle', `its mode is not one of ${LIFECYCLE_MODES.join(', ')}`);
  }
  const entries = group.value('ENTRIES', 'list');
  if (entries === undefined && text('ENTRIES') !== undefined) {
    return group.drop('lifecycle', 'its entries are not a list');
  }
  const whenText = text('WHEN');
  if (whenText !== undefined && !isJson(whenText)) {
    return group.drop('lifecycle', 'its condition is not JSON');
  }
  const settings = {
    type,
    bucketName: text('BUCKET') ?? '',
    entries: entries ?? [],
    olderThan: text('OLDER_THAN') ?? '',
    interval: text('INTERVAL') ?? DEFAULT_LIFECYCLE_INTERVAL,
    whenText: whenText === 'null' ? undefined : whenText,
    processingInterval: text('PROCESSING_INTERVAL'),
  };
  return { name: text('NAME') ?? '', settings, mode };
}

function isJson(text: string): boolean {
  try {
    parseJson(text);
    return true;
  } catch {
    return false;
  }
}
