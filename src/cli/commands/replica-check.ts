import type { JsonValue } from '../../wire/json.ts';
import { isJsonObject } from '../../wire/json.ts';
import { type AdminClient, withServer } from '../api/admin-client.ts';
import { objectMember, objectOf, textMember } from '../api/members.ts';
import { checkText, previewText } from '../check-text.ts';
import type { CliCommand } from '../command.ts';
import { jsonOption, type ListOptions, utcOption } from '../common-options.ts';
import type { CliContext } from '../context.ts';
import { EXIT_FAILURE, UsageError } from '../errors.ts';
import { prettyJson } from '../output/json-text.ts';
import { parseReplica, REPLICA, type Replica, replicaPath } from '../replica-names.ts';
import {
  createBody,
  destinationOf,
  filterOptions,
  type FilterOptions,
  givenMembers,
  type SettingsOptions,
  settingsOptions,
  updateBody,
} from '../replica-settings.ts';
import { parseServerResource, type ServerResource } from '../resource.ts';
import { wholeNumber } from '../sizes.ts';

interface CheckOptions extends SettingsOptions, ListOptions {}

interface PreviewOptions extends FilterOptions, ListOptions {
  readonly sourceBucket?: string;
  readonly records?: number;
}

/** As the server has it (docs/http-extensions.md). */
const MAX_PREVIEW_RECORDS = 100_000;

/** `replica check|preview`: what a task would meet and do, before it is saved. Millrace servers only. */
export function addCheckCommands(group: CliCommand, context: CliContext): void {
  addCheck(group, context);
  addPreview(group, context);
}

function addCheck(group: CliCommand, context: CliContext): void {
  jsonOption(
    settingsOptions(
      group
        .command('check')
        .description(
          'Tries the target of a task as the task would meet it, and says what is wrong and what to do. ' +
            'Nothing is written. Exit code 1 when the task could not send.',
        ),
    ),
  )
    .parsedArgument(
      '<replica>',
      `${REPLICA}; it need not exist when the others are given`,
      parseReplica,
    )
    .argument('[source-bucket]', 'of a task that is to be created')
    .parsedArgument(
      '[destination]',
      '<alias>/<bucket> or a URL, of such a task',
      parseServerResource,
    )
    .example('millrace replica check local/my-replication', 'the task as it is')
    .example('millrace replica check local/new sensors cloud/demo -c zstd', 'before it is created')
    .action(
      async (
        { server, name }: Replica,
        source: string | undefined,
        to: ServerResource | undefined,
        options: CheckOptions,
      ) => {
        const found = await withServer(context, server, async (client) => {
          const body = await checkBody(context, client, name, { source, to, options });
          return client.json('POST', `${replicaPath(name)}/check`, body);
        });
        const result = objectOf(found, 'check');
        context.output.line(options.json === true ? prettyJson(result) : checkText(result));
        if (textMember(result, 'status') === 'error') context.exitCode = EXIT_FAILURE;
      },
    );
}

interface CheckedSettings {
  readonly source: string | undefined;
  readonly to: ServerResource | undefined;
  readonly options: SettingsOptions;
}

/** Undefined: the stored settings as they are. */
async function checkBody(
  context: CliContext,
  client: AdminClient,
  name: string,
  { source, to, options }: CheckedSettings,
): Promise<JsonValue | undefined> {
  if (source !== undefined) {
    if (to !== undefined) return createBody(source, destinationOf(context, to), options);
    throw new UsageError('A source bucket needs a destination', 'Or name the task alone.');
  }
  if (givenMembers(options).length === 0) return undefined;
  return updateBody(await storedSettings(client, name), undefined, options);
}

function addPreview(group: CliCommand, context: CliContext): void {
  utcOption(
    jsonOption(
      filterOptions(
        group
          .command('preview')
          .description(
            'Runs filters over the last records of the source bucket and says how many would be sent, and ' +
              'why the others would not. Nothing is sent.',
          ),
      ),
    ),
  )
    .parsedArgument('<replica>', `${REPLICA}; it need not exist with --source-bucket`, parseReplica)
    .option('-s, --source-bucket <bucket>', 'look at this bucket with these filters alone')
    .parsedOption(
      '--records <n>',
      `how many of the last records, 1 to ${MAX_PREVIEW_RECORDS} (1000)`,
      wholeNumber(1, MAX_PREVIEW_RECORDS),
    )
    .example('millrace replica preview local/my-replication', 'the filters as they are')
    .example(
      'millrace replica preview local/new -s sensors -w \'{"&score": {"$gt": 0.9}}\' --records 5000',
      'before a task is created',
    )
    .action(async ({ server, name }: Replica, options: PreviewOptions) => {
      const found = await withServer(context, server, async (client) => {
        const body = await previewBody(client, name, options);
        return client.json('POST', `${replicaPath(name)}/preview`, body);
      });
      const { json, utc = false } = options;
      const result = objectOf(found, 'preview');
      context.output.line(json === true ? prettyJson(result) : previewText(result, { utc }));
    });
}

async function previewBody(
  client: AdminClient,
  name: string,
  options: PreviewOptions,
): Promise<JsonValue> {
  const { sourceBucket, records } = options;
  const filters = givenMembers(options);
  const count: [string, JsonValue][] = records === undefined ? [] : [['records', records]];
  if (sourceBucket !== undefined)
    return new Map([['src_bucket', sourceBucket], ...filters, ...count]);
  if (filters.length === 0) return new Map(count);
  const settings = updateBody(await storedSettings(client, name), undefined, options);
  return new Map([...(isJsonObject(settings) ? settings : []), ...count]);
}

async function storedSettings(
  client: AdminClient,
  name: string,
): Promise<ReadonlyMap<string, JsonValue>> {
  return objectMember(objectOf(await client.get(replicaPath(name)), 'task'), 'settings');
}
