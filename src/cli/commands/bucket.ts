import { encodePath } from '../../replication/scan/entry-path.ts';
import { type AdminClient, withServer } from '../api/admin-client.ts';
import { objectOf, objectsMember } from '../api/members.ts';
import { bucketGrid, bucketTable, entryTable } from '../bucket-text.ts';
import type { CliCommand } from '../command.ts';
import {
  fullOption,
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
import { parseSize, wholeNumber } from '../sizes.ts';
import type { JsonValue } from '../../wire/json.ts';

type Bucket = ServerResource & { readonly name: string };

interface SettingsOptions {
  readonly quotaType?: string;
  readonly quotaSize?: number;
  readonly blockSize?: number;
  readonly blockRecords?: number;
}

const BUCKET = '<alias>/<bucket>, or a URL that ends with the bucket';
const QUOTA_TYPES = ['NONE', 'FIFO', 'HARD'] as const;
/** As the original has it (replication §9.3). */
const MIN_BLOCK_RECORDS = 32;
const MAX_BLOCK_RECORDS = 4047;

const parseBucket = parseNamed('bucket');

/** `bucket create|ls|show|update|rename|rm`. */
export function addBucketCommands(program: CliCommand, context: CliContext): void {
  const group = program.command('bucket').description('Buckets: what records are kept in.');
  addCreate(group, context);
  addList(group, context);
  addShow(group, context);
  addUpdate(group, context);
  addRename(group, context);
  addRemove(group, context);
}

function addCreate(group: CliCommand, context: CliContext): void {
  settingsOptions(group.command('create').description('Creates a bucket.'))
    .parsedArgument('<bucket>', BUCKET, parseBucket)
    .example('millrace bucket create local/sensors', 'with the defaults of the server')
    .example(
      'millrace bucket create local/sensors -Q FIFO -s 100GB',
      'the oldest records make room',
    )
    .action(async ({ server, name }: Bucket, options: SettingsOptions) => {
      const body = toJson(settingsBody(options));
      await withServer(context, server, (client) => client.send('POST', bucketPath(name), body));
      context.output.line(`Bucket '${name}' created`);
    });
}

function addUpdate(group: CliCommand, context: CliContext): void {
  settingsOptions(
    group.command('update').description('Changes settings of a bucket; what is not named stays.'),
  )
    .parsedArgument('<bucket>', BUCKET, parseBucket)
    .example('millrace bucket update local/sensors --quota-size 200GB', 'more room')
    .action(async ({ server, name }: Bucket, options: SettingsOptions) => {
      const body = toJson(settingsBody(options));
      await withServer(context, server, (client) => client.send('PUT', bucketPath(name), body));
      context.output.line(`Bucket '${name}' updated`);
    });
}

function addList(group: CliCommand, context: CliContext): void {
  addListCommand(group, context, {
    description: 'Lists the buckets of a server.',
    path: 'list',
    member: 'buckets',
    table: bucketTable,
    hasTimes: true,
    hasHeadWhenEmpty: false,
  })
    .example('millrace bucket ls local', 'names, one per line')
    .example('millrace bucket ls local --full --utc', 'with sizes and times');
}

function addShow(group: CliCommand, context: CliContext): void {
  const { output } = context;
  const command = group.command('show').description('Shows a bucket.');
  utcOption(jsonOption(fullOption(command)))
    .parsedArgument('<bucket>', BUCKET, parseBucket)
    .example('millrace bucket show local/sensors --full', 'settings, and every entry')
    .action(async ({ server, name }: Bucket, { full, json, utc = false }: ListOptions) => {
      const read = (client: AdminClient): Promise<JsonValue> => client.get(bucketPath(name));
      const bucket = objectOf(await withServer(context, server, read), 'bucket');
      if (json === true) {
        output.line(prettyJson(bucket));
        return;
      }
      output.line(bucketGrid(bucket, { utc }));
      const entries = objectsMember(bucket, 'entries');
      if (full === true && entries.length > 0) output.line(`\n${entryTable(entries, { utc })}`);
    });
}

function addRename(group: CliCommand, context: CliContext): void {
  group
    .command('rename')
    .description('Gives a bucket, or an entry in it, another name.')
    .parsedArgument('<bucket>', BUCKET, parseBucket)
    .argument('<new-name>', 'of the bucket, or of the entry')
    .option('-e, --only-entry <entry>', 'rename this entry and not the bucket')
    .example('millrace bucket rename local/sensors raw', 'the bucket')
    .example('millrace bucket rename local/raw engine-2 --only-entry engine-1', 'an entry')
    .action(
      async ({ server, name }: Bucket, newName: string, { onlyEntry }: { onlyEntry?: string }) => {
        const what = onlyEntry === undefined ? '' : `/${encodePath(onlyEntry)}`;
        const body = toJson({ new_name: newName });
        await withServer(context, server, (client) =>
          client.send('PUT', `${bucketPath(name)}${what}/rename`, body),
        );
        context.output.line(
          onlyEntry === undefined
            ? `Bucket '${name}' renamed to '${newName}'`
            : `Entry '${onlyEntry}' of bucket '${name}' renamed to '${newName}'`,
        );
      },
    );
}

interface RemoveOptions extends YesOption {
  readonly onlyEntries?: readonly string[];
}

function addRemove(group: CliCommand, context: CliContext): void {
  yesOption(group.command('rm').description('Removes a bucket with its records, or entries of it.'))
    .parsedArgument('<bucket>', BUCKET, parseBucket)
    .option('-e, --only-entries <entry...>', 'remove these entries and keep the bucket')
    .example('millrace bucket rm local/sensors', 'asks first')
    .example('millrace bucket rm local/sensors -e engine-1 engine-2 --yes', 'two entries')
    .action(async ({ server, name }: Bucket, options: RemoveOptions) => {
      await withServer(context, server, (client) => removeBucket(context, client, name, options));
    });
}

async function removeBucket(
  context: CliContext,
  client: AdminClient,
  name: string,
  options: RemoveOptions,
): Promise<void> {
  const { onlyEntries } = options;
  if (onlyEntries === undefined) {
    const question = `Delete bucket '${name}' with all its records?`;
    await removeConfirmed(context, options, { kind: 'Bucket', name, question }, () =>
      client.send('DELETE', bucketPath(name)),
    );
    return;
  }
  for (const entry of onlyEntries) {
    const question = `Delete entry '${entry}' of bucket '${name}'?`;
    await removeConfirmed(context, options, { kind: 'Entry', name: entry, question }, () =>
      client.send('DELETE', `${bucketPath(name)}/${encodePath(entry)}`),
    );
  }
}

function settingsOptions(command: CliCommand): CliCommand {
  return command
    .parsedOption('-Q, --quota-type <type>', `one of ${QUOTA_TYPES.join(', ')}`, parseQuotaType)
    .parsedOption('-s, --quota-size <size>', 'of the quota, e.g. 100GB', parseSize)
    .parsedOption('-b, --block-size <size>', 'largest block, e.g. 64MB', parseSize)
    .parsedOption(
      '-R, --block-records <count>',
      `most records in a block, ${MIN_BLOCK_RECORDS} to ${MAX_BLOCK_RECORDS}`,
      wholeNumber(MIN_BLOCK_RECORDS, MAX_BLOCK_RECORDS),
    );
}

function parseQuotaType(text: string): string {
  const type = QUOTA_TYPES.find((known) => known === text.toUpperCase());
  if (type !== undefined) return type;
  throw new UsageError(`Quotas are ${QUOTA_TYPES.join(', ')}`);
}

function settingsBody(
  options: SettingsOptions,
): Readonly<Record<string, string | number | undefined>> {
  return {
    quota_type: options.quotaType,
    quota_size: options.quotaSize,
    max_block_size: options.blockSize,
    max_block_records: options.blockRecords,
  };
}

function bucketPath(name: string): string {
  return `b/${encodeURIComponent(name)}`;
}
