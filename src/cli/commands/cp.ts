import { dirname, join } from 'node:path';
import { copyBucket, type CopyReport, DEFAULT_MEMORY_BYTES } from '../../copy/copy.ts';
import { NO_POSITIONS } from '../../copy/position.ts';
import type { CopyTally } from '../../copy/progress.ts';
import type { CopyFilter } from '../../copy/types.ts';
import type { CliCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { type CopyJob, type CopyPlaces, type FolderOptions, planCopies } from '../copy/job.ts';
import { checkResumable, openResume } from '../copy/resume.ts';
import type { ResumeFile } from '../copy/resume-file.ts';
import { finalLine, isFailure, problemLines, reportJson } from '../copy/report.ts';
import { EXIT_FAILURE, UsageError } from '../errors.ts';
import {
  addConditionOptions,
  addEntriesOption,
  addLabelOptions,
  addSamplingOptions,
  addTimeOptions,
  type ConditionOptions,
  type LabelOptions,
  parseJsonText,
  type TimeOptions,
} from '../filter-options.ts';
import { labelMap } from '../labels.ts';
import { prettyJson, toJson } from '../output/json-text.ts';
import { startProgress } from '../output/progress.ts';
import { parseResource, type Resource } from '../resource.ts';
import { wholeNumber } from '../sizes.ts';

interface CpOptions extends TimeOptions, LabelOptions, ConditionOptions, FolderOptions {
  readonly fromLast?: boolean;
  readonly entries?: readonly string[];
  readonly eachN?: number;
  readonly eachS?: number;
  readonly limit?: number;
  readonly extParams?: string;
  readonly verify?: boolean;
  readonly dryRun?: boolean;
  readonly failures?: string;
  readonly resume?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const PROGRESS_INTERVAL_MS = 200;

/** Times as they were written. */
interface TypedTimes {
  start?: string;
  stop?: string;
}

interface CpCall {
  readonly from: Resource;
  readonly to: Resource;
  readonly options: CpOptions;
  readonly typed: TypedTimes;
}

/** `cp`: records from bucket to bucket, into a folder, and back. */
export function addCpCommand(program: CliCommand, context: CliContext): void {
  const command = program
    .command('cp')
    .description(
      'Copies records between buckets and folders. What the destination has already is skipped, so the ' +
        'same command run again copies what is missing; a bad record stops nobody and is reported.',
    )
    .parsedArgument('<source>', 'bucket (<alias>/<bucket>, <alias>/cam-*) or folder', parseResource)
    .parsedArgument(
      '<destination>',
      'bucket, folder, or an instance for several buckets',
      parseResource,
    );
  addTimeOptions(command, context.nowUs(), 'now');
  const typed: TypedTimes = {};
  command.on('option:start', (text: string) => (typed.start = text));
  command.on('option:stop', (text: string) => (typed.stop = text));
  command.option('--from-last', "each entry from behind the destination's latest record");
  addEntriesOption(command);
  addLabelOptions(command);
  addSamplingOptions(command);
  addConditionOptions(command);
  command
    .parsedOption('-l, --limit <n>', 'at most so many records of each entry', wholeNumber(1))
    .option('-x, --ext <extension>', 'of the files in a folder (by content type)')
    .option('-m, --with-meta', 'into a folder: labels and content type in <time>-meta.json')
    .parsedOption('-X, --ext-params <json>', 'parameters of query extensions', parseJsonText)
    .option('--verify', 'compare sizes, content types and labels afterwards')
    .option('--dry-run', 'count what would be copied, and write nothing')
    .option('--failures <file>', 'JSON lines of the records that were not copied')
    .option('--resume <file>', 'keep positions there, and go on behind those that it has')
    .option('-q, --quiet', 'no progress, only errors and the final line')
    .option('--json', 'the result as JSON')
    .example(
      'millrace cp src-instance/example-bucket dst-instance/demo',
      'a bucket to another server',
    )
    .example(
      'millrace cp src-instance/example-bucket dst-instance/demo --include "anomaly=true" --exclude "status=ok"',
      'only what its labels choose',
    )
    .example(
      'millrace cp local/data ./backup --with-meta --start now-1d',
      'the last day into a folder',
    )
    .example('millrace cp ./backup local/restored', 'a folder into a bucket')
    .example("millrace cp 'edge/*' cloud --from-last -p 4", 'all buckets, what is new in them')
    .example(
      'millrace cp edge/vibration cloud/vibration --resume vibration.resume',
      'goes on where it ended',
    )
    .action((from: Resource, to: Resource, options: CpOptions) =>
      copy(context, { from, to, options, typed }),
    );
}

async function copy(context: CliContext, call: CpCall): Promise<void> {
  const { from, to, options } = call;
  checkOptions(options, to);
  const places = await planCopies(context, from, to, options);
  const reports: { readonly job: CopyJob; readonly report: CopyReport }[] = [];
  let resume: ResumeFile | null = null;
  try {
    resume = resumeOf(context, call);
    for (const job of places.jobs) {
      const report = await runJob(context, places, job, { options, resume });
      reports.push({ job, report });
      if (options.json !== true) print(context, job, report, options);
      if (isFailure(report)) context.exitCode = EXIT_FAILURE;
      if (report.isInterrupted || report.stoppedBecause !== null) break;
    }
  } finally {
    await places.close();
    const isWhole = reports.length === places.jobs.length;
    resume?.finish(isWhole && reports.every(({ report }) => isComplete(report)));
  }
  if (options.json === true) {
    const documents = reports.map(({ job, report }) => reportJson(report, job.name));
    const [only] = documents;
    const isOne = places.jobs.length === 1 && only !== undefined;
    context.output.line(prettyJson(toJson(isOne ? only : documents)));
  }
  if (context.signal.aborted) {
    context.output.note('Interrupted. The same command copies the rest.');
    throw context.signal.reason;
  }
}

function checkOptions(options: CpOptions, to: Resource): void {
  const { fromLast, start, ext, strict, when } = options;
  if (fromLast === true && start !== undefined) {
    throw new UsageError('--from-last and --start exclude each other');
  }
  if (fromLast === true && to.kind === 'folder') {
    throw new UsageError(
      '--from-last needs a bucket as destination',
      'A folder skips what it has.',
    );
  }
  if (ext !== undefined && !/^\.?[A-Za-z0-9][A-Za-z0-9._-]*$/.test(ext)) {
    throw new UsageError(`'${ext}' is no file extension`);
  }
  if (strict === true && when === undefined) throw new UsageError('--strict needs --when');
  if (options.resume !== undefined) checkResumable(toFilter(options));
}

function isComplete(report: CopyReport): boolean {
  return !report.isInterrupted && !isFailure(report);
}

function resumeOf(context: CliContext, { from, to, options, typed }: CpCall): ResumeFile | null {
  const { resume: path, start: startUs, stop: stopUs, ext, withMeta } = options;
  if (path === undefined) return null;
  return openResume(context, {
    path,
    from,
    to,
    filter: toFilter(options),
    entries: options.entries ?? [],
    folder: { ...(ext === undefined ? {} : { ext }), withMeta: withMeta ?? false },
    fromLast: options.fromLast ?? false,
    startText: typed.start,
    stopText: typed.stop,
    startUs,
    stopUs,
    dryRun: options.dryRun ?? false,
  });
}

async function runJob(
  context: CliContext,
  { entries, parallel }: CopyPlaces,
  { source, sink, bucket }: CopyJob,
  { options, resume }: { readonly options: CpOptions; readonly resume: ResumeFile | null },
): Promise<CopyReport> {
  const { quiet, json } = options;
  const progress = await startProgress(context.output, {
    quiet: quiet === true || json === true,
    nowMs: () => performance.now(),
  });
  let tally: CopyTally | undefined;
  const show = (): void => {
    if (tally === undefined) return;
    const { seenRecords, copiedBytes, expectedRecords } = tally;
    progress.update({ records: seenRecords, bytes: copiedBytes, totalRecords: expectedRecords });
  };
  const timer = setInterval(show, PROGRESS_INTERVAL_MS);
  try {
    return await copyBucket({
      source,
      sink,
      filter: toFilter(options),
      entries: options.entries ?? entries,
      // A relative time means what it meant to the first run.
      startUs: resume?.startUs ?? options.start ?? null,
      stopUs: resume?.stopUs ?? options.stop ?? context.nowUs(),
      positions: resume?.positionsOf(bucket) ?? NO_POSITIONS,
      fromLast: options.fromLast ?? false,
      verify: options.verify ?? false,
      dryRun: options.dryRun ?? false,
      parallel,
      memoryBytes: DEFAULT_MEMORY_BYTES,
      failuresPath: options.failures ?? defaultFailuresPath(context),
      signal: context.signal,
      onProgress: (now) => {
        tally = now;
      },
    });
  } finally {
    clearInterval(timer);
    show();
    progress.stop();
  }
}

function toFilter(options: CpOptions): CopyFilter {
  return {
    include: labelMap(options.include ?? []),
    exclude: labelMap(options.exclude ?? []),
    eachN: options.eachN ?? null,
    eachS: options.eachS ?? null,
    whenText: options.when ?? null,
    strict: options.strict ?? false,
    limit: options.limit ?? null,
    extText: options.extParams ?? null,
  };
}

function print(
  { output }: CliContext,
  { from }: CopyJob,
  report: CopyReport,
  { dryRun }: CpOptions,
): void {
  for (const line of problemLines(report, from)) output.error({ message: line, hint: undefined });
  if (report.verifiedRecords !== null) output.note(`Verified ${report.verifiedRecords} records`);
  output.line(finalLine(report, from, dryRun === true));
}

/** Made only when a record fails; beside the aliases, as the present folder may not be ours to write into. */
function defaultFailuresPath({ aliases, nowUs }: CliContext): string {
  return join(dirname(aliases.path), `cp-${nowUs()}-failed.jsonl`);
}
