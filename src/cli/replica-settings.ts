/** Settings of a replication task from the command line (replication §1.2, §9.4). */
import { type JsonObject, type JsonValue, parseJson } from '../wire/json.ts';
import { objectMember } from './api/members.ts';
import { budgetMember, type BudgetOptions, budgetOptions } from './budget.ts';
import type { CliCommand } from './command.ts';
import type { CliContext } from './context.ts';
import { UsageError } from './errors.ts';
import {
  addEntriesOption,
  addLabelOptions,
  addSamplingOptions,
  type LabelOptions,
  parseJsonText,
} from './filter-options.ts';
import { labelMap } from './labels.ts';
import { type Plain, toJson } from './output/json-text.ts';
import type { ServerResource } from './resource.ts';
import { parseTime } from './times.ts';

export const MODES = ['enabled', 'paused', 'disabled'] as const;
const ORDERS = ['oldest', 'newest'] as const;
const COMPRESSIONS = ['none', 'zstd', 'gzip'] as const;

/** Members that `--clear` sets back, by their names as options. */
const CLEARABLE: ReadonlyMap<string, readonly [member: string, value: Plain]> = new Map([
  ['entries', ['entries', []]],
  ['include', ['include', null]],
  ['exclude', ['exclude', null]],
  ['each-n', ['each_n', null]],
  ['each-s', ['each_s', null]],
  ['when', ['when', null]],
  ['prefix', ['dst_prefix', '']],
  ['order', ['order', null]],
  ['budget', ['budget', null]],
]);

/** What chooses records. */
export interface FilterOptions extends LabelOptions {
  readonly entries?: readonly string[];
  readonly eachN?: number;
  readonly eachS?: number;
  /** JSON text; `null` removes the present one. */
  readonly when?: string;
}

export interface SettingsOptions extends FilterOptions, BudgetOptions {
  readonly prefix?: string;
  readonly compression?: string;
  readonly order?: string;
  readonly mode?: string;
}

export interface CreateOptions extends SettingsOptions {
  /** µs, or a word that the server knows. */
  readonly start?: bigint | string;
}

export interface UpdateOptions extends SettingsOptions {
  readonly sourceBucket?: string;
  readonly clear?: readonly string[];
}

/** Filters of both eras. */
export function filterOptions(command: CliCommand): CliCommand {
  addEntriesOption(command);
  addLabelOptions(command);
  addSamplingOptions(command);
  return command.parsedOption(
    '-w, --when <json>',
    "only records that meet this condition; 'null' removes it",
    parseJsonText,
  );
}

/** Filters, and how records are sent. */
export function settingsOptions(command: CliCommand): CliCommand {
  filterOptions(command)
    .option('--prefix <path>', 'put before the names of entries at the destination')
    .choiceOption('-c, --compression <kind>', 'of batches on their way', COMPRESSIONS)
    .choiceOption('--order <order>', 'which records first after an outage; Millrace only', ORDERS)
    .choiceOption('--mode <mode>', 'of the task', MODES);
  return budgetOptions(command);
}

export function clearOption(command: CliCommand): CliCommand {
  const names = [...CLEARABLE.keys()].join(', ');
  return command.parsedList('--clear <setting...>', `set back: ${names}`, (name) => {
    if (CLEARABLE.has(name)) return name;
    throw new UsageError(`'${name}' cannot be set back`, `These can: ${names}.`);
  });
}

/** The body of POST. Members of older servers' era, and of newer ones, only when they were given. */
export function createBody(
  sourceBucket: string,
  destination: Destination,
  options: CreateOptions,
): JsonValue {
  const { start } = options;
  return new Map<string, JsonValue>([
    ['src_bucket', sourceBucket],
    ...destinationMembers(destination),
    ['entries', []],
    ['when', null],
    ['mode', 'enabled'],
    ...(start === undefined ? [] : [['start', start] as const]),
    ...givenMembers(options),
  ]);
}

/** The body of PUT: what the server has now, with what was given on top. The token stays unless there is a destination. */
export function updateBody(
  current: JsonObject,
  destination: Destination | undefined,
  options: UpdateOptions,
): JsonValue {
  const { sourceBucket, clear = [] } = options;
  const kept = [...current].filter(([name]) => name !== 'dst_token');
  const cleared = clear.flatMap((name) => {
    const change = CLEARABLE.get(name);
    return change === undefined ? [] : [[change[0], toJson(change[1])] as const];
  });
  return new Map<string, JsonValue>([
    ...kept,
    ...(sourceBucket === undefined ? [] : [['src_bucket', sourceBucket] as const]),
    ...(destination === undefined ? [] : destinationMembers(destination)),
    ...cleared,
    ...givenMembers(
      options,
      clear.includes('budget') ? new Map() : objectMember(current, 'budget'),
    ),
  ]);
}

/** A time, or `beginning`, or `now` as the server sees it. @throws UsageError */
export function parseStart(nowUs: bigint): (text: string) => bigint | string {
  return (text) => (text === 'beginning' || text === 'now' ? text : parseTime(text, nowUs));
}

/** Where a task sends. */
export interface Destination {
  readonly host: string;
  readonly token: string;
  readonly bucket: string;
}

/**
 * The server connects to the destination by itself: its URL goes without user part, and with a slash at the end unless it
 * has a base path; the token is always a text.
 */
export function destinationOf(context: CliContext, resource: ServerResource): Destination {
  const { name, entryPath } = resource;
  if (name === undefined || entryPath !== undefined) {
    throw new UsageError(
      'The destination is a bucket: <alias>/<bucket> or https://<token>@<host>/<bucket>',
    );
  }
  const { url, token } = context.resolve(resource.server);
  const { pathname } = new URL(url);
  return {
    host: pathname === '/' ? url : url.replace(/\/$/, ''),
    token: token ?? '',
    bucket: name,
  };
}

function destinationMembers({ host, token, bucket }: Destination): [string, JsonValue][] {
  return [
    ['dst_bucket', bucket],
    ['dst_host', host],
    ['dst_token', token],
  ];
}

/** Settings that were given. @param budget what of it is set now and stays unless it is given. */
export function givenMembers(
  options: SettingsOptions,
  budget: JsonObject = new Map(),
): [string, JsonValue][] {
  const { include, exclude, when } = options;
  const plain: readonly (readonly [string, Plain | undefined])[] = [
    ['entries', options.entries],
    ['include', include === undefined ? undefined : labelMap(include)],
    ['exclude', exclude === undefined ? undefined : labelMap(exclude)],
    ['each_n', options.eachN],
    ['each_s', options.eachS],
    ['dst_prefix', options.prefix],
    ['compression', options.compression],
    ['order', options.order],
    ['mode', options.mode],
  ];
  const members = plain.flatMap(([name, value]): [string, JsonValue][] =>
    value === undefined ? [] : [[name, toJson(value)]],
  );
  // Numbers keep their form, so that 2.0 does not become 2.
  if (when !== undefined) members.push(['when', parseJson(when, { keepFloats: true })]);
  const newBudget = budgetMember(budget, options);
  if (newBudget !== undefined) members.push(['budget', newBudget]);
  return members;
}
