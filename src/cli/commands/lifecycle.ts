import { type JsonObject, type JsonValue, parseJson } from '../../wire/json.ts';
import { withServer } from '../api/admin-client.ts';
import { objectMember, objectOf, textMember } from '../api/members.ts';
import type { CliCommand } from '../command.ts';
import {
  removeConfirmed,
  jsonOption,
  type ListOptions,
  utcOption,
  type YesOption,
  yesOption,
} from '../common-options.ts';
import type { CliContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { parseJsonText } from '../filter-options.ts';
import { lifecycleTable, lifecycleText } from '../lifecycle-text.ts';
import { addListCommand } from '../list-command.ts';
import { prettyJson, toJson } from '../output/json-text.ts';
import { parseNamed, type ServerResource } from '../resource.ts';

type Lifecycle = ServerResource & { readonly name: string };

interface SettingsOptions {
  readonly type?: string;
  readonly olderThan?: string;
  readonly entries?: readonly string[];
  readonly interval?: string;
  readonly processingInterval?: string;
  /** JSON text. */
  readonly when?: string;
  readonly mode?: string;
}

interface UpdateOptions extends SettingsOptions {
  readonly bucket?: string;
}

const LIFECYCLE = '<alias>/<policy>, or a URL that ends with the policy';
const MODES = ['enabled', 'disabled', 'dry_run'] as const;
const TYPES = ['delete', 'compress'] as const;
const parseLifecycle = parseNamed('policy');

/** `lifecycle create|ls|show|update|mode|rm`, also as `lc`. */
export function addLifecycleCommands(program: CliCommand, context: CliContext): void {
  const group = program
    .command('lifecycle')
    .alias('lc')
    .description('Lifecycle policies: what becomes of records that grow old.');
  addCreate(group, context);
  addList(group, context);
  addShow(group, context);
  addUpdate(group, context);
  addMode(group, context);
  addRemove(group, context);
}

function addCreate(group: CliCommand, context: CliContext): void {
  settingsOptions(group.command('create').description('Creates a policy.'))
    .parsedArgument('<lifecycle>', LIFECYCLE, parseLifecycle)
    .argument('<bucket>', 'bucket on the same server')
    .example(
      'millrace lifecycle create local/old-raw raw --older-than 30d',
      'removes after a month',
    )
    .example('millrace lc create local/try raw --older-than 7d --mode dry_run', 'only counts')
    .action(async ({ server, name }: Lifecycle, bucket: string, options: SettingsOptions) => {
      if (options.olderThan === undefined) {
        throw new UsageError('--older-than says from which age on records are meant', 'E.g. 30d.');
      }
      const body = new Map([['type', 'delete'], ['bucket', bucket], ...givenMembers(options)]);
      await withServer(context, server, (client) => client.send('POST', policyPath(name), body));
      context.output.line(`Lifecycle '${name}' created`);
    });
}

function addUpdate(group: CliCommand, context: CliContext): void {
  settingsOptions(
    group.command('update').description('Changes settings of a policy; what is not named stays.'),
  )
    .parsedArgument('<lifecycle>', LIFECYCLE, parseLifecycle)
    .option('-b, --bucket <bucket>', 'work on another bucket')
    .example('millrace lifecycle update local/old-raw --older-than 60d', 'two months')
    .action(async ({ server, name }: Lifecycle, options: UpdateOptions) => {
      const { bucket } = options;
      await withServer(context, server, async (client) => {
        const policy = objectOf(await client.get(policyPath(name)), 'policy');
        const body = new Map<string, JsonValue>([
          ...objectMember(policy, 'settings'),
          ...(bucket === undefined ? [] : [['bucket', bucket] as const]),
          ...givenMembers(options),
        ]);
        await client.send('PUT', policyPath(name), body);
      });
      context.output.line(`Lifecycle '${name}' updated`);
    });
}

function addList(group: CliCommand, context: CliContext): void {
  addListCommand(group, context, {
    description: 'Lists the policies of a server.',
    path: 'lifecycles',
    member: 'lifecycles',
    rows: (policies) => policies.toSorted(byName),
    table: lifecycleTable,
    hasTimes: true,
    hasHeadWhenEmpty: true,
  }).example('millrace lifecycle ls local --full', 'with mode and last run');
}

function addShow(group: CliCommand, context: CliContext): void {
  utcOption(jsonOption(group.command('show').description('Shows a policy.')))
    .parsedArgument('<lifecycle>', LIFECYCLE, parseLifecycle)
    .example('millrace lifecycle show local/old-raw', 'settings and last run')
    .action(async ({ server, name }: Lifecycle, { json, utc = false }: ListOptions) => {
      const answer = await withServer(context, server, (client) => client.get(policyPath(name)));
      const policy = objectOf(answer, 'policy');
      context.output.line(json === true ? prettyJson(policy) : lifecycleText(policy, { utc }));
    });
}

function addMode(group: CliCommand, context: CliContext): void {
  group
    .command('mode')
    .description(`Sets the mode of a policy: ${MODES.join(', ')}.`)
    .parsedArgument('<lifecycle>', LIFECYCLE, parseLifecycle)
    .parsedArgument('<mode>', MODES.join(', '), parseMode)
    .example('millrace lifecycle mode local/old-raw disabled', 'keeps everything for now')
    .action(async ({ server, name }: Lifecycle, mode: string) => {
      await withServer(context, server, (client) =>
        client.send('PATCH', `${policyPath(name)}/mode`, toJson({ mode })),
      );
      context.output.line(`Lifecycle '${name}' ${mode}`);
    });
}

function addRemove(group: CliCommand, context: CliContext): void {
  yesOption(group.command('rm').description('Removes a policy. Records stay.'))
    .parsedArgument('<lifecycle>', LIFECYCLE, parseLifecycle)
    .example('millrace lifecycle rm local/old-raw', 'asks first')
    .action(async ({ server, name }: Lifecycle, options: YesOption) => {
      await removeConfirmed(context, options, { kind: 'Lifecycle', name }, () =>
        withServer(context, server, (client) => client.send('DELETE', policyPath(name))),
      );
    });
}

function settingsOptions(command: CliCommand): CliCommand {
  return command
    .option('-o, --older-than <duration>', 'age from which on records are meant, e.g. 30d')
    .choiceOption('-t, --type <type>', 'what is done with them (delete)', TYPES)
    .option('-n, --entries <pattern...>', 'only in these entries')
    .option('--interval <duration>', 'between two runs (1h)')
    .option('--processing-interval <duration>', 'most time of records that one run covers')
    .parsedOption(
      '-w, --when <json>',
      "only records that meet this condition; 'null' removes it",
      parseJsonText,
    )
    .choiceOption('--mode <mode>', 'dry_run only counts (enabled)', MODES);
}

function givenMembers(options: SettingsOptions): [string, JsonValue][] {
  const { when, entries } = options;
  const members: [string, JsonValue | undefined][] = [
    ['type', options.type],
    ['older_than', options.olderThan],
    ['entries', entries],
    ['interval', options.interval],
    ['processing_interval', options.processingInterval],
    ['when', when === undefined ? undefined : parseJson(when, { keepFloats: true })],
    ['mode', options.mode],
  ];
  return members.flatMap(([name, value]): [string, JsonValue][] =>
    value === undefined ? [] : [[name, value]],
  );
}

function parseMode(text: string): string {
  const mode = MODES.find((known) => known === text);
  if (mode !== undefined) return mode;
  throw new UsageError(`Modes are ${MODES.join(', ')}`);
}

function byName(a: JsonObject, b: JsonObject): number {
  return textMember(a, 'name') < textMember(b, 'name') ? -1 : 1;
}

function policyPath(name: string): string {
  return `lifecycles/${encodeURIComponent(name)}`;
}
