import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import mime from 'mime';
import { toApiError } from '../../client/errors.ts';
import { bucketPath } from '../../client/instance-client.ts';
import { toHeadMeta } from '../../client/record-heads.ts';
import { LARGE_RECORD_BYTES } from '../../copy/pages.ts';
import { BucketSink } from '../../copy/bucket-sink.ts';
import { fileErrorText } from '../../copy/files.ts';
import type { Page, WriteOutcome } from '../../copy/types.ts';
import { ApiError } from '../../errors/errors.ts';
import { DEFAULT_CONTENT_TYPE } from '../../wire/batch-v1.ts';
import { bucketOf, withInstance } from '../api/instance.ts';
import type { CliCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { CliError, UsageError } from '../errors.ts';
import { labelMap, type LabelPair, parseLabel } from '../labels.ts';
import { prettyJson, toJson } from '../output/json-text.ts';
import { parseServerResource, type ServerRef } from '../resource.ts';
import { formatSize } from '../sizes.ts';
import { parseTime } from '../times.ts';

/** An entry of a bucket, which need not be there. */
export interface EntryPlace {
  readonly server: ServerRef;
  readonly bucket: string;
  readonly entry: string;
}

interface WriteOptions {
  readonly string?: string;
  readonly file?: string;
  readonly contentType?: string;
  /** µs. */
  readonly time?: bigint;
  readonly labels?: readonly LabelPair[];
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** What is written, with the type it has unless another one is asked for. */
interface Content {
  readonly lengthBytes: number;
  readonly content: Page['content'];
  readonly contentType: string;
}

const STANDARD_INPUT = '-';

/** `write`: one record. */
export function addWriteCommand(program: CliCommand, context: CliContext): void {
  program
    .command('write')
    .description('Writes one record. The bucket has to be there, its entry comes with the record.')
    .parsedArgument('<entry>', '<alias>/<bucket>/<entry>, or a URL that ends so', parseEntryPlace)
    .option('-s, --string <text>', 'the content')
    .option('-f, --file <path>', "a file with the content; '-' reads standard input")
    .option(
      '-C, --content-type <type>',
      "of the content (text/plain, or what the file's name says)",
    )
    .parsedOption('-t, --time <time>', 'of the record (now)', (text) =>
      parseTime(text, context.nowUs()),
    )
    .parsedList('-l, --labels <label=value...>', 'of the record', parseLabel)
    .option('-q, --quiet', 'print nothing')
    .option('-j, --json', 'print what was written as JSON')
    .example('millrace write local/data/log -s "door open" -l level=info', 'a text, now')
    .example('millrace write local/data/cam/1 -f frame.jpg -t 2026-01-31T12:00:00Z', 'a file')
    .example('date | millrace write local/data/log -f -', 'what another command prints')
    .action((place: EntryPlace, options: WriteOptions) => write(context, place, options));
}

/** @throws UsageError */
export function parseEntryPlace(text: string): EntryPlace {
  const { server, name, entryPath } = parseServerResource(text);
  if (name !== undefined && entryPath !== undefined)
    return { server, bucket: name, entry: entryPath };
  // The last part of a URL is the entry, and the one before it the bucket.
  if (server.kind === 'url' && name !== undefined) {
    const place = parseServerResource(text.slice(0, text.lastIndexOf('/')));
    if (place.name !== undefined) return { server: place.server, bucket: place.name, entry: name };
  }
  throw new UsageError(
    'An entry of a bucket is needed',
    'Write <alias>/<bucket>/<entry> or https://<token>@<host>/<bucket>/<entry>.',
  );
}

async function write(
  context: CliContext,
  { server, bucket, entry }: EntryPlace,
  options: WriteOptions,
): Promise<void> {
  const ts = options.time ?? context.nowUs();
  const labels = labelMap(options.labels ?? []);
  const { lengthBytes, content, contentType } = await contentOf(options, context.signal);
  const meta = toHeadMeta(options.contentType ?? contentType, Object.entries(labels).flat());
  const page = { heads: [{ ts, lengthBytes, meta }], content, heldBytes: 0 };
  const outcome = await writePage(context, { server, bucket, entry }, page);
  const [failed] = outcome.failed;
  if (failed?.status === 409) throw new ApiError(409, failed.reason);
  if (failed !== undefined) throw new CliError(`Not written: ${failed.reason}`);
  if (options.quiet === true) return;
  if (options.json === true) {
    const document = { timestamp: ts, bucket, entry, size: lengthBytes };
    const rest = { content_type: meta.contentType, labels, is_new: outcome.skipped === 0 };
    context.output.line(prettyJson(toJson({ ...document, ...rest })));
    return;
  }
  const what = outcome.skipped === 0 ? `written (${formatSize(lengthBytes)})` : 'is there already';
  context.output.line(`Record ${ts} of entry '${entry}' ${what}`);
}

/** With the code of copies: an answer that is lost is asked for again, and nothing is written twice. */
function writePage(
  context: CliContext,
  { server, bucket, entry }: EntryPlace,
  page: Page,
): Promise<WriteOutcome> {
  return withInstance(context, server, async (client) => {
    // Copies create buckets that are missing; here it is rather a slip of the keyboard.
    const there = await client.open('HEAD', bucketPath(bucket));
    if (there.status !== 200) throw await toApiError(there);
    await there.discard();
    const sink = new BucketSink(bucketOf(context, client, bucket));
    const outcome = await sink.write(entry, page);
    if (outcome.endedBy !== null) throw outcome.endedBy;
    return outcome;
  });
}

async function contentOf(
  { string: text, file }: WriteOptions,
  signal: AbortSignal,
): Promise<Content> {
  if (text !== undefined && file === undefined) return inMemory(Buffer.from(text), 'text/plain');
  if (file === undefined || text !== undefined) {
    throw new UsageError(
      file === undefined ? 'Nothing says what to write' : '--string and --file exclude each other',
      'Give --string with a text, or --file with a path.',
    );
  }
  if (file === STANDARD_INPUT) return inMemory(await readInput(signal), DEFAULT_CONTENT_TYPE);
  try {
    const contentType = mime.getType(file) ?? DEFAULT_CONTENT_TYPE;
    const stats = await stat(file);
    const isLarge = stats.isFile() && stats.size > LARGE_RECORD_BYTES;
    if (!isLarge) return inMemory(await readFile(file), contentType);
    return {
      lengthBytes: stats.size,
      content: { open: () => createReadStream(file) },
      contentType,
    };
  } catch (error) {
    throw new CliError(`Cannot read ${file}: ${fileErrorText(error)}`);
  }
}

function inMemory(content: Buffer, contentType: string): Content {
  return { lengthBytes: content.length, content, contentType };
}

async function readInput(signal: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of addAbortSignal(signal, process.stdin)) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}
