import { type AdminClient, withServer } from '../api/admin-client.ts';
import { objectMember, objectOf } from '../api/members.ts';
import type { CliCommand } from '../command.ts';
import {
  removeConfirmed,
  jsonOption,
  type ListOptions,
  type YesOption,
  yesOption,
} from '../common-options.ts';
import type { CliContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { addListCommand } from '../list-command.ts';
import { prettyJson, toJson } from '../output/json-text.ts';
import {
  clearOption,
  createBody,
  type CreateOptions,
  destinationOf,
  MODES,
  parseStart,
  settingsOptions,
  updateBody,
  type UpdateOptions,
} from '../replica-settings.ts';
import { replicaTable, replicaText } from '../replica-text.ts';
import { parseReplica, REPLICA, type Replica, replicaPath } from '../replica-names.ts';
import { parseServerResource, type ServerResource } from '../resource.ts';
import { addBackfillCommands } from './backfill.ts';
import { addCompareCommand } from './compare.ts';
import { addDeadLetterCommands } from './dead-letters.ts';
import { addCheckCommands } from './replica-check.ts';

const DESTINATION =
  '<alias>/<bucket> or https://<token>@<host>/<bucket>; the server connects to it';

/** `replica create|ls|show|update|mode|enable|pause|disable|rm`. */
export function addReplicaCommands(program: CliCommand, context: CliContext): void {
  const group = program
    .command('replica')
    .description('Replication tasks: they send new records on to another bucket.');
  addCreate(group, context);
  addList(group, context);
  addShow(group, context);
  addUpdate(group, context);
  addModes(group, context);
  addRemove(group, context);
  addCheckCommands(group, context);
  addDeadLetterCommands(group, context);
  addBackfillCommands(group, context);
  addCompareCommand(group, context);
}

function addCreate(group: CliCommand, context: CliContext): void {
  const command = group
    .command('create')
    .description(
      'Creates a task. It sends what is written from now on, and with --start what is there, too.',
    );
  settingsOptions(command)
    .parsedOption(
      '--start <time>',
      "send what is there, too, from this time or from the 'beginning'; Millrace only",
      parseStart(context.nowUs()),
    )
    .parsedArgument('<replica>', REPLICA, parseReplica)
    .argument('<source-bucket>', 'bucket on the same server as the task')
    .parsedArgument('<destination>', DESTINATION, parseServerResource)
    .example(
      'millrace replica create local/my-replication src-bucket https://demo@play.example/demo',
      'everything that is written to src-bucket',
    )
    .example(
      "millrace replica create edge/anomalies sensors cloud/demo -n 'cam-*' --include anomaly=true",
      'only what matters',
    )
    .action(
      async (
        { server, name }: Replica,
        source: string,
        to: ServerResource,
        options: CreateOptions,
      ) => {
        const body = createBody(source, destinationOf(context, to), options);
        await withServer(context, server, (client) => client.send('POST', replicaPath(name), body));
      },
    );
}

function addList(group: CliCommand, context: CliContext): void {
  addListCommand(group, context, {
    description: 'Lists the tasks of a server.',
    path: 'replications',
    member: 'replications',
    table: replicaTable,
    hasTimes: false,
    hasHeadWhenEmpty: true,
  }).example('millrace replica ls local --full', 'with state, mode and pending records');
}

function addShow(group: CliCommand, context: CliContext): void {
  jsonOption(
    group.command('show').description('Shows a task: state, settings, errors of the last hour.'),
  )
    .parsedArgument('<replica>', REPLICA, parseReplica)
    .example('millrace replica show local/my-replication', 'how it is')
    .action(async ({ server, name }: Replica, { json }: ListOptions) => {
      const answer = await withServer(context, server, (client) => client.get(replicaPath(name)));
      const replica = objectOf(answer, 'task');
      context.output.line(json === true ? prettyJson(replica) : replicaText(replica));
    });
}

function addUpdate(group: CliCommand, context: CliContext): void {
  const command = group
    .command('update')
    .description('Changes settings of a task; what is not named stays, also its token.');
  clearOption(settingsOptions(command))
    .option('-s, --source-bucket <bucket>', 'read from another bucket')
    .parsedArgument('<replica>', REPLICA, parseReplica)
    .parsedArgument(
      '[destination]',
      `${DESTINATION}; its token replaces the present one`,
      parseServerResource,
    )
    .example('millrace replica update local/my-replication --entries a b', 'other entries')
    .example('millrace replica update local/my-replication cloud/demo', 'another destination')
    .example('millrace replica update local/my-replication --clear when include', 'fewer filters')
    .action(
      async ({ server, name }: Replica, to: ServerResource | undefined, options: UpdateOptions) => {
        const destination = to === undefined ? undefined : destinationOf(context, to);
        await withServer(context, server, async (client) => {
          const replica = objectOf(await client.get(replicaPath(name)), 'task');
          const body = updateBody(objectMember(replica, 'settings'), destination, options);
          await client.send('PUT', replicaPath(name), body);
        });
      },
    );
}

/** What is printed for each mode (replication §9.3). */
const MODE_COMMANDS = [
  ['enable', 'enabled', 'Sends again.'],
  ['pause', 'paused', 'Keeps what is written for later and sends nothing.'],
  ['disable', 'disabled', 'Neither sends nor keeps: what is written meanwhile is never sent.'],
] as const;

function addModes(group: CliCommand, context: CliContext): void {
  group
    .command('mode')
    .description(`Sets the mode of a task: ${MODES.join(', ')}.`)
    .parsedArgument('<replica>', REPLICA, parseReplica)
    .parsedArgument('<mode>', MODES.join(', '), parseMode)
    .example('millrace replica mode local/my-replication paused', 'the same as replica pause')
    .action((replica: Replica, mode: string) => setMode(context, replica, mode));
  for (const [verb, mode, description] of MODE_COMMANDS) {
    group
      .command(verb)
      .description(description)
      .parsedArgument('<replica>', REPLICA, parseReplica)
      .example(`millrace replica ${verb} local/my-replication`, `mode ${mode}`)
      .action((replica: Replica) => setMode(context, replica, mode));
  }
}

async function setMode(
  context: CliContext,
  { server, name }: Replica,
  mode: string,
): Promise<void> {
  await withServer(context, server, (client: AdminClient) =>
    client.send('PATCH', `${replicaPath(name)}/mode`, toJson({ mode })),
  );
  context.output.line(`Replication '${name}' ${mode}`);
}

function addRemove(group: CliCommand, context: CliContext): void {
  yesOption(
    group
      .command('rm')
      .description('Removes a task. What is pending is not sent; records stay where they are.'),
  )
    .parsedArgument('<replica>', REPLICA, parseReplica)
    .example('millrace replica rm local/repl-to-remove --yes', 'without asking')
    .action(async ({ server, name }: Replica, options: YesOption) => {
      await removeConfirmed(context, options, { kind: 'Replication', name }, () =>
        withServer(context, server, (client) => client.send('DELETE', replicaPath(name))),
      );
    });
}

function parseMode(text: string): string {
  const mode = MODES.find((known) => known === text);
  if (mode !== undefined) return mode;
  throw new UsageError(`Modes are ${MODES.join(', ')}`);
}
