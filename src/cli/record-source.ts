/** Records of a bucket for commands that look at them or remove them. */
import type { EntryFigures, InstanceClient } from '../client/instance-client.ts';
import { BucketSource } from '../copy/bucket-source.ts';
import { BudgetLease, ByteBudget } from '../copy/byte-budget.ts';
import { DEFAULT_MEMORY_BYTES } from '../copy/copy.ts';
import { type CopyFilter, type EntryReader, type FailedRecord, NO_FILTER } from '../copy/types.ts';
import { compileEntryPatterns } from '../replication/entry-pattern.ts';
import { bucketOf, withInstance } from './api/instance.ts';
import type { CliContext } from './context.ts';
import { CliError, EXIT_FAILURE, UsageError } from './errors.ts';
import type { ConditionOptions, LabelOptions } from './filter-options.ts';
import { labelMap } from './labels.ts';
import { parseServerResource, type ServerResource } from './resource.ts';

/** A bucket, or one entry of it. */
export type RecordPlace = ServerResource & { readonly name: string };

export const RECORD_PLACE = '<alias>/<bucket>, <alias>/<bucket>/<entry>, or a URL of a bucket';

/** @throws UsageError */
export function parseRecordPlace(text: string): RecordPlace {
  const resource = parseServerResource(text);
  const { name } = resource;
  if (name !== undefined) return { ...resource, name };
  throw new UsageError('An instance is named, a bucket on it is needed', 'Write <alias>/<bucket>.');
}

export interface OpenBucket {
  readonly client: InstanceClient;
  readonly bucket: string;
  /** That the options choose, with records. */
  readonly entries: readonly EntryFigures[];
  readonly reader: (entry: string, filter: CopyFilter) => EntryReader;
}

/** Runs `use` with the entries that are chosen. @throws CliError when an entry that is named is not there. */
export async function withBucket(
  context: CliContext,
  { server, name: bucket, entryPath }: RecordPlace,
  patterns: readonly string[] | undefined,
  use: (open: OpenBucket) => Promise<void>,
): Promise<void> {
  await withInstance(context, server, async (client) => {
    const source = new BucketSource(bucketOf(context, client, bucket));
    const all = await source.entries();
    const wanted = entryPath === undefined ? patterns : [entryPath];
    const isWanted = compileEntryPatterns(wanted ?? []);
    const entries = all.filter(({ name }) => isWanted(name));
    if (entryPath !== undefined && entries.length === 0) {
      throw new CliError(`Entry '${entryPath}' of bucket '${bucket}' has no records`);
    }
    const lease = new BudgetLease(new ByteBudget(DEFAULT_MEMORY_BYTES));
    const onFailed = ({ entry, ts, reason }: FailedRecord): void => {
      const message = `Record ${ts} of entry '${entry}': ${reason}`;
      context.output.error({ message, hint: undefined });
      context.exitCode = EXIT_FAILURE;
    };
    const reader = (entry: string, filter: CopyFilter): EntryReader =>
      source.reader(entry, filter, { lease, onFailed });
    await use({ client, bucket, entries, reader });
  });
}

export function filterOf(
  options: LabelOptions & ConditionOptions & { readonly limit?: number },
): CopyFilter {
  return {
    ...NO_FILTER,
    include: labelMap(options.include ?? []),
    exclude: labelMap(options.exclude ?? []),
    whenText: options.when ?? null,
    strict: options.strict ?? false,
    limit: options.limit ?? null,
  };
}
