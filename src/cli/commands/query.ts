import type { RecordHead } from '../../client/record-heads.ts';
import { followEntry } from '../../copy/follow.ts';
import type { Page } from '../../copy/types.ts';
import type { CliCommand } from '../command.ts';
import { utcOption } from '../common-options.ts';
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
import { type Plain, toJson } from '../output/json-text.ts';
import {
  filterOf,
  type OpenBucket,
  parseRecordPlace,
  RECORD_PLACE,
  type RecordPlace,
  withBucket,
} from '../record-source.ts';
import { formatSize, wholeNumber } from '../sizes.ts';
import { formatTime } from '../times.ts';
import { stringifyJson } from '../../wire/json.ts';

interface QueryOptions extends TimeOptions, LabelOptions, ConditionOptions {
  readonly entries?: readonly string[];
  readonly limit?: number;
  readonly labels?: boolean;
  readonly content?: boolean;
  readonly follow?: boolean;
  readonly json?: boolean;
  readonly utc?: boolean;
}

/** `query`: looks at the records of a bucket. */
export function addQueryCommand(program: CliCommand, context: CliContext): void {
  const command = program
    .command('query')
    .description(
      "Prints the records of a bucket, one a line, entry by entry. To save them use 'cp' with a folder.",
    )
    .parsedArgument('<bucket>', RECORD_PLACE, parseRecordPlace);
  addTimeOptions(command, context.nowUs(), 'now');
  addEntriesOption(command);
  addLabelOptions(command);
  addConditionOptions(command);
  command
    .parsedOption('-l, --limit <n>', 'at most so many records of each entry', wholeNumber(1))
    .option('--labels', 'with their labels')
    .option('--content', 'the contents themselves, one behind the other')
    .option('-F, --follow', 'wait for more; begins now unless --start says otherwise')
    .option('--json', 'one JSON document a line; with --content the contents are in it');
  utcOption(command)
    .example('millrace query local/data --start now-1h --labels', 'the last hour')
    .example('millrace query local/data/log -l 10 --content', 'ten contents')
    .example(
      'millrace query local/data --follow --when \'{"&anomaly": {"$eq": true}}\'',
      'as they come',
    )
    .action((place: RecordPlace, options: QueryOptions) => query(context, place, options));
}

async function query(
  context: CliContext,
  place: RecordPlace,
  options: QueryOptions,
): Promise<void> {
  if (options.follow === true && options.stop !== undefined) {
    throw new UsageError('--follow has no end, --stop does not go with it');
  }
  await withBucket(context, place, options.entries, async (open) => {
    if (options.follow === true) await follow(context, open, options);
    else for (const { name } of open.entries) await printEntry(context, open, name, options);
  });
}

async function printEntry(
  context: CliContext,
  { reader }: OpenBucket,
  entry: string,
  options: QueryOptions,
): Promise<void> {
  const entryReader = reader(entry, filterOf(options));
  const range = { startUs: options.start ?? 0n, stopUs: options.stop ?? context.nowUs() };
  if (options.content !== true) {
    for await (const heads of entryReader.list(range)) {
      for (const head of heads) context.output.line(headText(entry, head, options));
    }
    return;
  }
  for await (const page of entryReader.stream(range))
    await printPage(context, entry, page, options);
}

/** All entries at once; ends with Ctrl-C. */
async function follow(
  context: CliContext,
  { client, bucket, entries }: OpenBucket,
  options: QueryOptions,
): Promise<void> {
  const filter = filterOf(options);
  const startUs = options.start ?? context.nowUs();
  const { signal } = context;
  await Promise.all(
    entries.map(async ({ name }) => {
      const pages = followEntry({ client, bucket, entry: name, filter, startUs, signal });
      for await (const page of pages) await printPage(context, name, page, options);
    }),
  );
  signal.throwIfAborted();
}

async function printPage(
  { output }: CliContext,
  entry: string,
  { heads, content }: Page,
  options: QueryOptions,
): Promise<void> {
  let at = 0;
  for (const head of heads) {
    const end = at + head.lengthBytes;
    if (options.content !== true) {
      output.line(headText(entry, head, options));
    } else if (options.json === true) {
      const bytes = Buffer.isBuffer(content)
        ? content.subarray(at, end)
        : await collect(content.open());
      output.line(headText(entry, head, options, bytes));
    } else if (Buffer.isBuffer(content)) {
      output.bytes(content.subarray(at, end));
    } else {
      for await (const piece of content.open()) output.bytes(piece);
    }
    at = end;
  }
}

async function collect(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

function headText(
  entry: string,
  head: RecordHead,
  options: QueryOptions,
  content?: Buffer,
): string {
  const { ts, lengthBytes, meta } = head;
  const labels = labelsOf(meta.labels);
  if (options.json === true) {
    const document: Plain = {
      timestamp: ts,
      entry,
      size: lengthBytes,
      content_type: meta.contentType,
      labels: Object.fromEntries(labels),
      ...(content === undefined ? {} : contentMember(meta.contentType, content)),
    };
    return stringifyJson(toJson(document));
  }
  const time = formatTime(ts, { utc: options.utc === true });
  const parts = [time, entry, formatSize(lengthBytes), meta.contentType];
  if (options.labels === true) parts.push(...labels.map(([name, value]) => `${name}=${value}`));
  return parts.join('  ');
}

/** Texts as texts, everything else in base 64. */
function contentMember(contentType: string, content: Buffer): { readonly [name: string]: Plain } {
  const isText = /^(text\/|application\/json)/.test(contentType);
  const text = content.toString();
  if (isText && Buffer.from(text).equals(content)) return { content: text };
  return { content_base64: content.toString('base64') };
}

function labelsOf(labels: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < labels.length; at += 2) {
    pairs.push([labels[at] ?? '', labels[at + 1] ?? '']);
  }
  return pairs;
}
