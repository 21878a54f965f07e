import type { CopyFilter } from '../../copy/types.ts';
import { MAX_BATCH_RECORDS } from '../../replication/scan/batch.ts';
import { U64_MAX } from '../../store/format.ts';
import type { CliCommand } from '../command.ts';
import { isConfirmed, jsonOption, type YesOption, yesOption } from '../common-options.ts';
import type { CliContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  addConditionOptions,
  addEntriesOption,
  addLabelOptions,
  addTimeOptions,
  type ConditionOptions,
  type LabelOptions,
  type TimeOptions,
} from '../filter-options.ts';
import {
  filterOf,
  type OpenBucket,
  parseRecordPlace,
  RECORD_PLACE,
  type RecordPlace,
  withBucket,
} from '../record-source.ts';
import { prettyJson, toJson } from '../output/json-text.ts';
import { parseTime } from '../times.ts';

interface RmOptions extends TimeOptions, LabelOptions, ConditionOptions, YesOption {
  readonly entries?: readonly string[];
  readonly time?: readonly bigint[];
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `rm`: records by time, labels and condition. Entries and buckets stay. */
export function addRmCommand(program: CliCommand, context: CliContext): void {
  const command = program
    .command('rm')
    .description(
      'Removes records of a bucket. Entries stay, even when they are empty; attachments are not touched. ' +
        "To remove entries and buckets use 'bucket rm'.",
    )
    .parsedArgument('<bucket>', RECORD_PLACE, parseRecordPlace);
  addTimeOptions(command, context.nowUs(), 'the end');
  command.parsedList('-t, --time <time...>', 'exactly these records', (text) =>
    parseTime(text, context.nowUs()),
  );
  addEntriesOption(command);
  addLabelOptions(command);
  addConditionOptions(command);
  command.option('--dry-run', 'count what would be removed, and remove nothing');
  yesOption(jsonOption(command))
    .example('millrace rm local/data --stop now-30d', 'what is older than thirty days')
    .example("millrace rm local/data -n 'cam-*' --include status=broken --yes", 'by labels')
    .example('millrace rm local/data/sensor -t 1700000000000000', 'one record')
    .action((place: RecordPlace, options: RmOptions) => remove(context, place, options));
}

async function remove(context: CliContext, place: RecordPlace, options: RmOptions): Promise<void> {
  const { time, start, stop, include, exclude, when, dryRun } = options;
  const chooses = [start, stop, include, exclude, when];
  if (time === undefined && chooses.every((option) => option === undefined)) {
    throw new UsageError(
      'Nothing says which records to remove',
      'Give --start, --stop, --time, --include, --exclude or --when; --start 0 means all.',
    );
  }
  if (time !== undefined && chooses.some((option) => option !== undefined)) {
    throw new UsageError('--time names the records, other filters do not go with it');
  }
  await withBucket(context, place, options.entries, async (open) => {
    const { output } = context;
    const count = open.entries.length;
    const question = `Remove records from ${count} ${count === 1 ? 'entry' : 'entries'} of bucket '${open.bucket}'?`;
    if (dryRun !== true && count > 0 && !(await isConfirmed(context, options, question))) {
      output.line(`Records of bucket '${open.bucket}' not removed`);
      return;
    }
    let sum = 0;
    const byEntry: Record<string, number> = {};
    for (const { name } of open.entries) {
      const removed = await removeFrom(open, name, options);
      sum += removed;
      byEntry[name] = removed;
      if (removed > 0 && options.json !== true) {
        output.line(`${verb(options)} ${removed} records from entry '${name}'`);
      }
    }
    if (options.json === true) {
      const isDryRun = dryRun ?? false;
      const document = { bucket: open.bucket, dry_run: isDryRun, removed_records: sum };
      output.line(prettyJson(toJson({ ...document, entries: byEntry })));
    } else output.line(`${verb(options)} ${sum} records from bucket '${open.bucket}'`);
  });
}

function verb({ dryRun }: RmOptions): string {
  return dryRun === true ? 'Would remove' : 'Removed';
}

async function removeFrom(open: OpenBucket, entry: string, options: RmOptions): Promise<number> {
  const { client, bucket } = open;
  const { time, start, stop, dryRun } = options;
  const filter = filterOf(options);
  const range = { startUs: start ?? 0n, stopUs: stop ?? U64_MAX };
  if (range.startUs >= range.stopUs) return 0;
  if (time !== undefined && dryRun !== true) return client.removeAt(bucket, entry, time);
  const hasLabels = Object.keys({ ...filter.include, ...filter.exclude }).length > 0;
  if (dryRun === true || hasLabels) return removeListed(open, entry, range, filter, options);
  const condition =
    filter.whenText === null ? {} : { whenText: filter.whenText, strict: filter.strict };
  return client.removeRecords(bucket, entry, range, condition);
}

/**
 * Servers of some versions ignore label filters in silence, and a removal that ignores its filter removes everything: so
 * the records are chosen here, and removed one by one.
 */
async function removeListed(
  { client, bucket, reader }: OpenBucket,
  entry: string,
  range: { readonly startUs: bigint; readonly stopUs: bigint },
  filter: CopyFilter,
  { time, dryRun }: RmOptions,
): Promise<number> {
  const wanted = time === undefined ? null : new Set(time);
  let removed = 0;
  let chosen: bigint[] = [];
  for await (const heads of reader(entry, filter).list(range)) {
    for (const { ts } of heads) if (wanted === null || wanted.has(ts)) chosen.push(ts);
    if (dryRun === true) {
      removed += chosen.length;
      chosen = [];
    } else if (chosen.length >= 8 * MAX_BATCH_RECORDS) {
      removed += await client.removeAt(bucket, entry, chosen);
      chosen = [];
    }
  }
  return removed + (await client.removeAt(bucket, entry, chosen));
}
