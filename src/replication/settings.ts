/**
 * Settings of a replication task: the wire form (snake_case JSON, spec §1.2) and the internal one.
 *
 * The contract is the union of two eras (spec §0.1): the members `include`, `exclude`, `each_n` and `each_s`
 * of servers up to 1.20 live beside those of 1.21, and a client which cannot see the former must never
 * remove them by accident: what would be lost is a filter, and data that was to stay inside would leave.
 */
import { BugError } from '../errors/errors.ts';
import {
  readEachN,
  readEachS,
  readLabelMap,
  readObject,
  readOptionalString,
  readRequiredVariant,
  readString,
  readStringList,
  readVariant,
} from './settings-json.ts';
import { budgetJson, type LinkBudget, readBudget } from './budget/link-budget.ts';
import { unknownMembers } from './settings-members.ts';

export const REPLICATION_MODES = ['enabled', 'paused', 'disabled'] as const;
export type ReplicationMode = (typeof REPLICATION_MODES)[number];

export const COMPRESSIONS = ['none', 'zstd', 'gzip'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/**
 * `newest`: after an outage the task goes on with what is written now, and sends what piled up behind that
 * (docs/http-extensions.md).
 */
export const TASK_ORDERS = ['oldest', 'newest'] as const;
export type TaskOrder = (typeof TASK_ORDERS)[number];

/**
 * Plain data: it survives `JSON.stringify` and structured cloning unchanged. Holds the token in clear text, and so lives in
 * memory only; rows of the store hold it sealed.
 */
export interface ReplicationSettings {
  readonly srcBucket: string;
  readonly dstBucket: string;
  /** URL of the target, exactly as it was sent. */
  readonly dstHost: string;
  /** `null`: requests go out without `Authorization`. Never empty, never `***`. */
  readonly dstToken: string | null;
  /** A stored token that no key of this process opens; else `null`. Kept until another one is given. */
  readonly lockedToken: LockedToken | null;
  /** Patterns of `compileEntryPatterns`; empty selects every entry. */
  readonly entries: readonly string[];
  readonly dstPrefix: string;
  /** The condition as compact JSON text, member order kept; `null`: no condition. */
  readonly whenText: string | null;
  readonly mode: ReplicationMode;
  readonly compression: Compression;
  readonly include: Readonly<Record<string, string>>;
  readonly exclude: Readonly<Record<string, string>>;
  /** An integer from 1; `null`: no sampling by count. */
  readonly eachN: number | null;
  /** Seconds of record time, finite, from 0; `null`: no sampling by time. */
  readonly eachS: number | null;
  /** Members of the body that nobody knows: they may be filters, so the task sends nothing. */
  readonly unknownMembers: readonly string[];
  /** Answered in the form that SDKs up to 1.16 can read (spec §0.1). */
  readonly legacy: boolean;
  /** `null`: not set, which is `oldest`. */
  readonly order: TaskOrder | null;
  /** What of the link the task may use; own member, `null`: all of it. */
  readonly budget: LinkBudget | null;
}

export interface LockedToken {
  readonly sealed: string;
  /** Why it does not open. */
  readonly problem: string;
}

/** What clients up to 1.16 read, and echo, in place of the token. */
const MASKED_TOKEN = '***';

const ERA_A_MEMBERS = ['include', 'exclude', 'each_n', 'each_s'] as const;
const ERA_B_MEMBERS = ['mode', 'dst_prefix', 'compression'] as const;

type Members = Readonly<Record<string, unknown>>;

/**
 * Reads the body of POST (`create`) or PUT (`update`) of a replication (spec §1.2, §1.6, §0.1).
 *
 * An update replaces everything, except: era A members which are absent keep their stored value (`null` or
 * `{}` clears), and the token is kept when `dst_token` is absent, `null` or `***` (`""` removes it).
 * `null` stands for the default of every optional member. Unknown members are accepted and named in `unknownMembers`.
 *
 * Looks at the shape only. What needs the server's state, or has its place later in the order of spec §1.4
 * (name, URL, buckets, condition), is checked by the caller with `settings-checks.ts`.
 *
 * @param body the parsed JSON.
 * @param whenText the text of the body's `when` as compact JSON; unused when that is absent or `null`.
 * @throws ApiError 422 `Invalid JSON: …`, also for `each_n: 0` and a negative or infinite `each_s`.
 * @throws BugError when the body has a condition and `whenText` is `null`: without it everything would leave.
 */
export function parseSettings(
  body: unknown,
  mode: 'create',
  whenText: string | null,
): ReplicationSettings;
export function parseSettings(
  body: unknown,
  mode: 'update',
  whenText: string | null,
  stored: ReplicationSettings,
): ReplicationSettings;
export function parseSettings(
  body: unknown,
  mode: 'create' | 'update',
  whenText: string | null,
  stored: ReplicationSettings | null = null,
): ReplicationSettings {
  if ((mode === 'update') !== (stored !== null)) {
    throw new BugError(`parseSettings: mode ${mode}, stored settings ${stored ? 'given' : 'none'}`);
  }
  const members = readObject(body, 'struct ReplicationSettings');
  return {
    srcBucket: readString(members, 'src_bucket'),
    dstBucket: readString(members, 'dst_bucket'),
    dstHost: readString(members, 'dst_host'),
    ...readToken(members, stored),
    entries: readStringList(members, 'entries'),
    dstPrefix: readOptionalString(members, 'dst_prefix') ?? '',
    whenText: pickWhenText(members, whenText),
    mode: readVariant(members, 'mode', REPLICATION_MODES) ?? 'enabled',
    compression: readVariant(members, 'compression', COMPRESSIONS) ?? 'none',
    ...readEraA(members, stored),
    unknownMembers: unknownMembers(members),
    legacy: isLegacyBody(members),
    order: has(members, 'order')
      ? readVariant(members, 'order', TASK_ORDERS)
      : (stored?.order ?? null),
    budget: has(members, 'budget') ? readBudget(members['budget']) : (stored?.budget ?? null),
  };
}

/**
 * Reads the body of `PATCH …/mode` (spec §1.7), where `mode` is required.
 *
 * @throws ApiError 422 `Invalid JSON: …`.
 */
export function parseModeBody(body: unknown): ReplicationMode {
  const members = readObject(body, 'struct ReplicationModePayload');
  return readRequiredVariant(members, 'mode', REPLICATION_MODES);
}

/**
 * The `settings` member of the detail answer (spec §1.5) as JSON text, because the condition has to come back
 * with the member order and the numbers it was sent with, which a JavaScript object does not keep.
 *
 * The token is never part of it. Era A members appear only where they are set; a legacy task (spec §0.1)
 * shows all four and `***` for the token.
 */
export function toDetailJson(settings: ReplicationSettings): string {
  const { legacy } = settings;
  const members = [
    member('src_bucket', settings.srcBucket),
    member('dst_bucket', settings.dstBucket),
    member('dst_host', settings.dstHost),
    member('dst_token', legacy ? MASKED_TOKEN : null),
    member('entries', settings.entries),
    member('dst_prefix', settings.dstPrefix),
    `"when":${settings.whenText ?? 'null'}`,
    member('mode', settings.mode),
    member('compression', settings.compression),
  ];
  if (legacy || !isEmpty(settings.include)) members.push(member('include', settings.include));
  if (legacy || !isEmpty(settings.exclude)) members.push(member('exclude', settings.exclude));
  if (legacy || settings.eachN !== null) members.push(member('each_n', settings.eachN));
  if (legacy || settings.eachS !== null) members.push(member('each_s', settings.eachS));
  if (settings.order !== null) members.push(member('order', settings.order));
  if (settings.budget !== null) members.push(member('budget', budgetJson(settings.budget)));
  return `{${members.join(',')}}`;
}

export type TokenSettings = Pick<ReplicationSettings, 'dstToken' | 'lockedToken'>;

function readToken(members: Members, stored: ReplicationSettings | null): TokenSettings {
  if (!givesToken(members)) {
    return { dstToken: stored?.dstToken ?? null, lockedToken: stored?.lockedToken ?? null };
  }
  const token = readOptionalString(members, 'dst_token');
  return { dstToken: token === '' ? null : token, lockedToken: null };
}

/**
 * Whether a body says what the token is to be, also that there is none (`""`). Otherwise a stored one is kept.
 * @param body the parsed JSON.
 */
export function givesToken(body: unknown): boolean {
  const token = readOptionalString(readObject(body, 'struct ReplicationSettings'), 'dst_token');
  return token !== null && token !== MASKED_TOKEN;
}

type EraA = Pick<ReplicationSettings, 'include' | 'exclude' | 'eachN' | 'eachS'>;

function readEraA(members: Members, stored: ReplicationSettings | null): EraA {
  const keeps = (name: (typeof ERA_A_MEMBERS)[number]): ReplicationSettings | null =>
    has(members, name) ? null : stored;
  return {
    include: keeps('include')?.include ?? readLabelMap(members, 'include'),
    exclude: keeps('exclude')?.exclude ?? readLabelMap(members, 'exclude'),
    eachN: keeps('each_n')?.eachN ?? readEachN(members, 'each_n'),
    eachS: keeps('each_s')?.eachS ?? readEachS(members, 'each_s'),
  };
}

/** Bodies of this shape come from SDKs which cannot parse `"dst_token": null` (spec §0.1). */
function isLegacyBody(members: Members): boolean {
  return (
    ERA_A_MEMBERS.some((name) => has(members, name)) &&
    !ERA_B_MEMBERS.some((name) => has(members, name)) &&
    typeof members['dst_token'] === 'string'
  );
}

function pickWhenText(members: Members, whenText: string | null): string | null {
  const when = members['when'];
  if (when === undefined || when === null) return null;
  if (whenText === null) throw new BugError('parseSettings: a condition came without its text');
  return whenText;
}

function has(members: Members, name: string): boolean {
  return Object.hasOwn(members, name);
}

function isEmpty(map: Readonly<Record<string, string>>): boolean {
  return Object.keys(map).length === 0;
}

function member(name: string, value: unknown): string {
  return `"${name}":${JSON.stringify(value)}`;
}
