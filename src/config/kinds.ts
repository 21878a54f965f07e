/**
 * The kinds of values a variable can have: how each is parsed and how the accepted form is described. Parsers are pure
 * and answer `undefined` for text they do not accept; the caller names the variable.
 */
import { isIP } from 'node:net';
import { parseSecretKey } from '../secrets/secret-key.ts';

/** In rising order of severity. */
export const LOG_LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `INFO,replication=DEBUG`: one level for everything and exceptions by part (http-api §7). */
export interface LogLevels {
  readonly base: LogLevel;
  readonly parts: Readonly<Record<string, LogLevel>>;
}

/** `1000/10m`: so many requests or bytes per period (http-api §7). */
export interface RateLimit {
  /** At least 1. */
  readonly amount: number;
  readonly periodMs: number;
}

/** TypeScript type of the parsed value, by kind. Sizes are bytes, durations milliseconds. */
export interface KindValues {
  readonly text: string;
  readonly token: string;
  /** 64 hex digits. */
  readonly 'secret-key': string;
  readonly host: string;
  readonly 'base-path': string;
  readonly 'public-url': string;
  readonly list: readonly string[];
  readonly boolean: boolean;
  /** A boolean that takes the words of http-api §7, too. */
  readonly switch: boolean;
  readonly integer: number;
  readonly size: number;
  readonly duration: number;
  readonly choice: string;
  readonly 'log-levels': LogLevels;
  readonly 'request-rate': RateLimit;
  readonly 'byte-rate': RateLimit;
}

export type Kind = keyof KindValues;
export type OptionValue = KindValues[Kind];

/** One row of the table of variables. All values are written as a user would write them, and parsed like his. */
export interface OptionSpec {
  readonly env: string;
  readonly kind: Kind;
  readonly group: string;
  readonly description: string;
  /** Absent together with `derived`: the value may be undefined. */
  readonly default?: string;
  /** The default depends on other values or on the machine: the rule in words. */
  readonly derived?: string;
  /** Inclusive bounds of integers, sizes and durations. */
  readonly min?: string;
  readonly max?: string;
  readonly choices?: readonly string[];
  /** Unit of a plain number, for durations only. */
  readonly unit?: 'ms' | 's';
  /** Never printed: shown as `***`. */
  readonly secret?: boolean;
}

type Units = ReadonlyMap<string, number>;

const SIZE_UNITS: Units = new Map([
  ['b', 1],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
]);

const DURATION_UNITS: Units = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/** Decimal fractions such as 1.1 are not exact in binary: a product this close to a whole number is that number. */
const ROUNDING_ERROR = 1e-3;

function parseQuantity(text: string, units: Units, defaultUnit: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text);
  if (match === null) return undefined;
  const [, digits = '', suffix = ''] = match;
  const factor = units.get((suffix === '' ? defaultUnit : suffix).toLowerCase());
  if (factor === undefined) return undefined;
  const exact = Number(digits) * factor;
  const whole = Math.round(exact);
  const isWhole = Number.isSafeInteger(whole) && Math.abs(exact - whole) < ROUNDING_ERROR;
  return isWhole ? whole : undefined;
}

/** Bytes of `1KB` (1000), `1KiB` (1024), `10 GB`, `512`; undefined when it is none of these (http-api §7). */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, SIZE_UNITS, 'b');
}

/** Milliseconds of `500ms`, `5s`, `2m`, `1h`, or of a plain number in `unit`. */
export function parseDuration(text: string, unit: 'ms' | 's'): number | undefined {
  return parseQuantity(text, DURATION_UNITS, unit);
}

function parseInteger(text: string): number | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : undefined;
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined;
}

/** `bound` comes from the table, so it parses; a test walks the table. */
function withinRange(
  value: number | undefined,
  spec: OptionSpec,
  parse: (text: string) => number | undefined,
): number | undefined {
  if (value === undefined) return undefined;
  const min = spec.min === undefined ? undefined : parse(spec.min);
  const max = spec.max === undefined ? undefined : parse(spec.max);
  return value >= (min ?? 0) && value <= (max ?? Number.MAX_SAFE_INTEGER) ? value : undefined;
}

function parseBoolean(text: string): boolean | undefined {
  const lower = text.toLowerCase();
  return lower === 'true' || (lower === 'false' ? false : undefined);
}

const SWITCH_WORDS: ReadonlyMap<string, boolean> = new Map([
  ['1', true],
  ['true', true],
  ['yes', true],
  ['on', true],
  ['0', false],
  ['false', false],
  ['no', false],
  ['off', false],
]);

function parseSwitch(text: string): boolean | undefined {
  return SWITCH_WORDS.get(text.toLowerCase());
}

function parseChoice(text: string, spec: OptionSpec): string | undefined {
  return spec.choices?.find((choice) => choice.toLowerCase() === text.toLowerCase());
}

function parseLogLevels(text: string): LogLevels | undefined {
  let base: LogLevel = 'INFO';
  const parts: Record<string, LogLevel> = {};
  for (const item of splitList(text)) {
    const [first = '', second, ...rest] = item.split('=').map((piece) => piece.trim());
    const level = LOG_LEVELS.find((name) => name === (second ?? first).toUpperCase());
    if (level === undefined || rest.length > 0 || first === '') return undefined;
    if (second === undefined) base = level;
    else parts[first] = level;
  }
  return { base, parts };
}

/** The period of a rate without one (http-api §7). */
const DEFAULT_PERIOD_MS = 3_600_000;

/** `<amount>[/<period>]`; a period is a duration with a unit, or a unit alone for one of it. */
function parseRate(
  text: string,
  parseAmount: (text: string) => number | undefined,
): RateLimit | undefined {
  const [amountText = '', periodText, ...rest] = text.split('/').map((piece) => piece.trim());
  const amount = parseAmount(amountText);
  const periodMs = periodText === undefined ? DEFAULT_PERIOD_MS : parsePeriod(periodText);
  if (rest.length > 0 || !amount || !periodMs) return undefined;
  return { amount, periodMs };
}

function parsePeriod(text: string): number | undefined {
  const count = /^\d/.test(text) ? text : `1${text}`;
  return /[a-z]$/i.test(count) ? parseDuration(count, 's') : undefined;
}

function parseRequests(text: string): number | undefined {
  return parseInteger(text.replace(/\s*req$/i, ''));
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** An IP address (IPv6 with or without brackets) or a host name; no port, no scheme. */
function parseHost(text: string): string | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (isIP(bare) !== 0) return bare;
  return /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(text) ? text : undefined;
}

/** Normalised to begin and end with `/` (http-api §1.1). */
function parseBasePath(text: string): string | undefined {
  const inner = text.replace(/^\/|\/$/g, '');
  if (inner === '') return '/';
  const isPlain = inner.split('/').every((part) => /^[\w.~-]+$/.test(part) && !/^\.+$/.test(part));
  return isPlain ? `/${inner}/` : undefined;
}

/** Normalised to end with `/`. */
function parsePublicUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, username, password, search, hash, href } = new URL(text);
  const isPlain = username === '' && password === '' && search === '' && hash === '';
  if (!isPlain || !/^https?:$/.test(protocol)) return undefined;
  return href.endsWith('/') ? href : `${href}/`;
}

// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]/;

function parseText(text: string): string | undefined {
  return CONTROL_CHARACTERS.test(text) ? undefined : text;
}

type Parsers = {
  readonly [K in Kind]: (text: string, spec: OptionSpec) => KindValues[K] | undefined;
};

const PARSERS: Parsers = {
  text: parseText,
  // What an Authorization header can carry: visible ASCII, because anything else reaches us changed or not at all.
  token: (text) => (/^[\u0021-\u007e]+$/.test(text) ? text : undefined),
  'secret-key': (text) => parseSecretKey(text)?.toString('hex'),
  host: parseHost,
  'base-path': parseBasePath,
  'public-url': parsePublicUrl,
  list: (text) => (CONTROL_CHARACTERS.test(text) ? undefined : splitList(text)),
  boolean: parseBoolean,
  switch: parseSwitch,
  integer: (text, spec) => withinRange(parseInteger(text), spec, parseInteger),
  size: (text, spec) => withinRange(parseSize(text), spec, parseSize),
  duration: (text, spec) => {
    const parse = (value: string): number | undefined => parseDuration(value, spec.unit ?? 's');
    return withinRange(parse(text), spec, parse);
  },
  choice: parseChoice,
  'log-levels': parseLogLevels,
  'request-rate': (text) => parseRate(text, parseRequests),
  'byte-rate': (text) => parseRate(text, parseSize),
};

/** The value of trimmed, non-empty `text` for this variable, or undefined when it is not accepted. */
export function parseOption(spec: OptionSpec, text: string): OptionValue | undefined {
  return PARSERS[spec.kind](text, spec);
}

function range({ min, max }: OptionSpec): string {
  return min === undefined || max === undefined ? '' : ` from ${min} to ${max}`;
}

/** What this variable accepts, in words for messages, help and documentation. */
export function acceptedText(spec: OptionSpec): string {
  switch (spec.kind) {
    case 'text':
      return 'text without control characters';
    case 'token':
      return 'visible ASCII characters without spaces';
    case 'secret-key':
      return '32 bytes in base64 or hex, as from openssl rand -base64 32';
    case 'host':
      return 'an IP address or a host name';
    case 'base-path':
      return 'path segments of letters, digits and . _ ~ - separated by /';
    case 'public-url':
      return 'an http or https URL without query and credentials';
    case 'list':
      return 'a list separated by commas';
    case 'boolean':
      return 'true or false';
    case 'switch':
      return 'one of true, 1, yes, on, false, 0, no, off';
    case 'integer':
      return `a whole number${range(spec)}`;
    case 'size':
      return `a size${range(spec)}`;
    case 'duration':
      return `${spec.unit === 'ms' ? 'milliseconds' : 'seconds'}${range(spec)}`;
    case 'choice':
      return choicesText(spec.choices ?? []);
    case 'log-levels':
      return `one of ${LOG_LEVELS.join(', ')}, and exceptions by part as in INFO,replication=DEBUG`;
    case 'request-rate':
      return 'a number of requests per period, as in 100req/s, 1000/10m, 100 (per hour)';
    case 'byte-rate':
      return 'a size per period, as in 10MB/s, 1GiB/10m, 100GB (per hour)';
  }
}

function choicesText(choices: readonly string[]): string {
  return choices.length === 1 ? `only ${choices.join('')}` : `one of ${choices.join(', ')}`;
}

/** How sizes and durations are written, for messages and once per page; empty for the other kinds. */
export function notation(kind: Kind): string {
  if (kind === 'size') return 'plain bytes, or with a unit as in 1KB (1000), 1KiB (1024), 10 GB';
  return kind === 'duration' ? 'a plain number, or with a unit as in 500ms, 5s, 2m, 1h' : '';
}
