/** `cp --resume`: which commands can be resumed, and what makes two of them the same. */
import { resolve as resolvePath } from 'node:path';
import { isStatefulCondition } from '../../copy/filter-plan.ts';
import type { CopyFilter } from '../../copy/types.ts';
import type { CliContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import type { Resource } from '../resource.ts';
import type { FolderOptions } from './job.ts';
import { ResumeFile } from './resume-file.ts';

export interface ResumeRequest {
  readonly path: string;
  readonly from: Resource;
  readonly to: Resource;
  readonly filter: CopyFilter;
  readonly entries: readonly string[];
  readonly folder: FolderOptions;
  readonly fromLast: boolean;
  /** As typed, so that `now-1d` stays the same command. */
  readonly startText: string | undefined;
  readonly stopText: string | undefined;
  /** µs. */
  readonly startUs: bigint | undefined;
  readonly stopUs: bigint | undefined;
  readonly dryRun: boolean;
}

/** @throws UsageError for filters whose verdict depends on records that a later run does not read. */
export function checkResumable({ eachN, eachS, limit, whenText, extText }: CopyFilter): void {
  const counting = [
    [eachN !== null, '--each-n'],
    [eachS !== null, '--each-s'],
    [limit !== null, '--limit'],
    [extText !== null, '--ext-params'],
    [whenText !== null && isStatefulCondition(whenText), 'a --when that counts or looks back'],
  ] as const;
  const found = counting.find(([isGiven]) => isGiven);
  if (found === undefined) return;
  throw new UsageError(
    `--resume and ${found[1]} exclude each other: what passes depends on the records before, which a resumed run does not read`,
    'Without --resume the same command run again copies what is missing.',
  );
}

/** @throws CliError as `ResumeFile.open`. */
export function openResume(context: CliContext, request: ResumeRequest): ResumeFile {
  const { path, startUs = null, stopUs = null, dryRun } = request;
  const command = commandOf(context, request);
  return ResumeFile.open(path, { command, startUs, stopUs, entries: [] }, dryRun);
}

/** What decides which records go where. What is not given is left out. */
function commandOf(context: CliContext, request: ResumeRequest): Record<string, string> {
  const { from, to, filter, entries, folder, fromLast, startText, stopText } = request;
  const parts: Readonly<Record<string, string | undefined>> = {
    'the source': placeText(context, from),
    'the destination': placeText(context, to),
    '--start': startText,
    '--stop': stopText,
    '--from-last': fromLast ? 'given' : undefined,
    '--entries': entries.length === 0 ? undefined : entries.toSorted().join(' '),
    '--include': labelsText(filter.include),
    '--exclude': labelsText(filter.exclude),
    '--when': filter.whenText ?? undefined,
    '--strict': filter.strict ? 'given' : undefined,
    '--ext': folder.ext,
    '--with-meta': folder.withMeta === true ? 'given' : undefined,
  };
  const given = Object.entries(parts).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return Object.fromEntries(given);
}

/** Without a token; the same server under another alias is the same place. */
function placeText(context: CliContext, place: Resource): string {
  if (place.kind === 'folder') return resolvePath(place.path);
  const { url } = context.resolve(place.server);
  const { name, entryPath } = place;
  return `${url}${name ?? ''}${entryPath === undefined ? '' : `/${entryPath}`}`;
}

function labelsText(labels: Readonly<Record<string, string>>): string | undefined {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return pairs.length === 0 ? undefined : pairs.toSorted().join(' ');
}
