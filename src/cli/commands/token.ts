import type { JsonObject, JsonValue } from '../../wire/json.ts';
import { type AdminClient, withServer } from '../api/admin-client.ts';
import { objectOf, textMember } from '../api/members.ts';
import type { CliCommand } from '../command.ts';
import {
  isConfirmed,
  removeConfirmed,
  jsonOption,
  type ListOptions,
  utcOption,
  type YesOption,
  yesOption,
} from '../common-options.ts';
import type { CliContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { addListCommand } from '../list-command.ts';
import { prettyJson, toJson } from '../output/json-text.ts';
import { parseNamed, type ServerResource } from '../resource.ts';
import { formatTime, parseTime } from '../times.ts';
import { tokenText, tokenTable } from '../token-text.ts';

type Token = ServerResource & { readonly name: string };

interface CreateOptions extends ListOptions {
  readonly fullAccess?: boolean;
  readonly readBucket?: readonly string[];
  readonly writeBucket?: readonly string[];
  /** Whole seconds. */
  readonly ttl?: number;
  /** µs. */
  readonly expiresAt?: bigint;
  /** Whole seconds. */
  readonly expiresIn?: number;
  readonly ipAllow?: readonly string[];
}

const TOKEN = '<alias>/<token>, or a URL that ends with the token';
const parseToken = parseNamed('token');

/** `token create|ls|show|rotate|rm`. The value is printed once, when the server tells it. */
export function addTokenCommands(program: CliCommand, context: CliContext): void {
  const group = program.command('token').description('Tokens: who may do what on a server.');
  addCreate(group, context);
  addList(group, context);
  addShow(group, context);
  addRotate(group, context);
  addRemove(group, context);
}

function addCreate(group: CliCommand, context: CliContext): void {
  jsonOption(group.command('create'))
    .description('Creates a token and prints its value, which is not told again.')
    .parsedArgument('<token>', TOKEN, parseToken)
    .option('-A, --full-access', 'may do everything')
    .option(
      '-r, --read-bucket <bucket...>',
      "may read these buckets; 'cam-*' means all that begin so",
    )
    .option('-w, --write-bucket <bucket...>', 'may write to these buckets')
    .parsedOption('--ttl <duration>', 'expires when unused for so long, e.g. 30d', parseSeconds)
    .parsedOption('--expires-at <time>', 'expires at this time', (text) =>
      parseTime(text, context.nowUs()),
    )
    .parsedOption('--expires-in <duration>', 'expires after this time, e.g. 12h', parseSeconds)
    .option('--ip-allow <address...>', 'usable from these addresses and networks only')
    .example('millrace token create local/camera --write-bucket raw', 'may write to one bucket')
    .example("millrace token create local/guest -r 'cam-*' --expires-in 7d", 'for a week')
    .action(async ({ server, name }: Token, options: CreateOptions) => {
      const body = createBody(options, context.nowUs());
      const answer = await withServer(context, server, (client) =>
        client.json('POST', tokenPath(name), body),
      );
      printValue(context, name, 'created', objectOf(answer, 'token'), options);
    });
}

/** Older servers know permissions alone, at the top level: the newer form only when something else is asked for. */
function createBody(options: CreateOptions, nowUs: bigint): JsonValue {
  const { fullAccess = false, readBucket = [], writeBucket = [], ttl, ipAllow } = options;
  if (options.expiresAt !== undefined && options.expiresIn !== undefined) {
    throw new UsageError('--expires-at and --expires-in exclude each other');
  }
  const permissions = { full_access: fullAccess, read: readBucket, write: writeBucket };
  const expiresUs =
    options.expiresIn === undefined
      ? options.expiresAt
      : nowUs + BigInt(options.expiresIn) * 1_000_000n;
  if (ttl === undefined && expiresUs === undefined && ipAllow === undefined) {
    return toJson(permissions);
  }
  const expiresAt = expiresUs === undefined ? undefined : formatTime(expiresUs, { utc: true });
  return toJson({ permissions, ttl, expires_at: expiresAt, ip_allowlist: ipAllow });
}

function addList(group: CliCommand, context: CliContext): void {
  addListCommand(group, context, {
    description: 'Lists the tokens of a server.',
    path: 'tokens',
    member: 'tokens',
    rows: (tokens) => tokens.map(withoutValue),
    table: tokenTable,
    hasTimes: true,
    hasHeadWhenEmpty: false,
  }).example('millrace token ls local --full', 'with permissions and expiry');
}

function addShow(group: CliCommand, context: CliContext): void {
  utcOption(jsonOption(group.command('show').description('Shows a token, without its value.')))
    .parsedArgument('<token>', TOKEN, parseToken)
    .example('millrace token show local/camera', 'permissions, expiry, last use')
    .action(async ({ server, name }: Token, { json, utc = false }: ListOptions) => {
      const answer = await withServer(context, server, (client) => client.get(tokenPath(name)));
      const token = objectOf(answer, 'token');
      const text = json === true ? prettyJson(withoutValue(token)) : tokenText(token, { utc });
      context.output.line(text);
    });
}

function addRotate(group: CliCommand, context: CliContext): void {
  const command = group
    .command('rotate')
    .description('Gives a token a new value and prints it; the old one is void at once.');
  yesOption(jsonOption(command))
    .parsedArgument('<token>', TOKEN, parseToken)
    .example('millrace token rotate local/camera --yes', 'a new value')
    .action(async ({ server, name }: Token, options: YesOption & ListOptions) => {
      const question = `Rotate token '${name}'? Its present value stops working.`;
      if (!(await isConfirmed(context, options, question))) {
        context.output.line(`Token '${name}' not rotated`);
        return;
      }
      const rotate = (client: AdminClient): Promise<JsonValue> =>
        client.json('POST', `${tokenPath(name)}/rotate`);
      const answer = objectOf(await withServer(context, server, rotate), 'token');
      printValue(context, name, 'rotated', answer, options);
    });
}

/** The only place that prints a token: it is what was asked for, and nobody tells it again. */
function printValue(
  { output }: CliContext,
  name: string,
  verb: string,
  answer: JsonObject,
  { json }: ListOptions,
): void {
  if (json === true) output.line(prettyJson(answer));
  else output.line(`Token '${name}' ${verb}: ${textMember(answer, 'value')}`);
}

function addRemove(group: CliCommand, context: CliContext): void {
  yesOption(group.command('rm').description('Removes a token; who uses it is refused at once.'))
    .parsedArgument('<token>', TOKEN, parseToken)
    .example('millrace token rm local/camera', 'asks first')
    .action(async ({ server, name }: Token, options: YesOption) => {
      await removeConfirmed(context, options, { kind: 'Token', name }, () =>
        withServer(context, server, (client) => client.send('DELETE', tokenPath(name))),
      );
    });
}

/** Servers give an empty value; should one not, it still does not belong on a screen. */
function withoutValue(token: JsonObject): JsonObject {
  return new Map([...token].filter(([name]) => name !== 'value'));
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Whole seconds of `90`, `90s`, `12h`, `30d`, `1d 12h`. @throws UsageError */
export function parseSeconds(text: string): number {
  const parts = text.trim().split(/\s+/);
  const seconds = parts.reduce((sum, part) => {
    const [, digits = '', unit = 's'] = /^(\d{1,9})([smhdw])?$/.exec(part) ?? [];
    return sum + (digits === '' ? Number.NaN : Number(digits) * (SECONDS[unit] ?? Number.NaN));
  }, 0);
  if (seconds > 0) return seconds;
  throw new UsageError(
    `'${text}' is no duration`,
    'Write 90s, 12h, 30d, 1w; a plain number is seconds.',
  );
}

function tokenPath(name: string): string {
  return `tokens/${encodeURIComponent(name)}`;
}
