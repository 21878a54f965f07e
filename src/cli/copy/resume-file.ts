/** The file of `cp --resume`: read once, then written as entries go on. */
import { openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve as resolvePath } from 'node:path';
import { fileErrorText, isMissingFile, isRunning } from '../../copy/files.ts';
import { unfinishedName, writerOf } from '../../copy/folder-layout.ts';
import { type BegunEntry, type CopyPositions, EntryPosition } from '../../copy/position.ts';
import { fillAndRename } from '../config/replace-file.ts';
import { CliError } from '../errors.ts';
import { formatResume, parseResume, type ResumeEntry, type ResumeState } from './resume-text.ts';

/** Longest time that progress is not in the file, ms. */
const SAVE_INTERVAL_MS = 500;

/** Only the owner may read and write. */
const PRIVATE = 0o600;

interface TrackedEntry extends BegunEntry {
  readonly bucket: string;
  readonly entry: string;
}

export class ResumeFile {
  readonly path: string;
  /** What the first run made of its `--start` and `--stop`, µs. */
  readonly startUs: bigint | null;
  readonly stopUs: bigint | null;
  readonly #command: ResumeState['command'];
  readonly #isReadOnly: boolean;
  /** By bucket and entry. */
  readonly #entries: Map<string, TrackedEntry> = new Map();
  #timer: NodeJS.Timeout | undefined;

  private constructor(path: string, state: ResumeState, isReadOnly: boolean) {
    this.path = path;
    this.startUs = state.startUs;
    this.stopUs = state.stopUs;
    this.#command = state.command;
    this.#isReadOnly = isReadOnly;
    for (const { bucket, entry, startUs, nextUs } of state.entries) {
      this.#track(bucket, entry, startUs, nextUs);
    }
  }

  /**
   * Goes on with the file, or makes it.
   * @param fresh the command as it is given now, without entries.
   * @param isReadOnly nothing is made or changed.
   * @throws CliError when the file is none of ours, is of another command, or cannot be written.
   */
  static open(path: string, fresh: ResumeState, isReadOnly: boolean): ResumeFile {
    const full = resolvePath(path);
    const found = readState(full);
    const isBegun = found !== null && found.entries.length > 0;
    if (isBegun) checkSame(full, found.command, fresh.command);
    const file = new ResumeFile(full, isBegun ? found : fresh, isReadOnly);
    if (!isReadOnly) {
      removeLeftovers(full);
      file.#write();
    }
    return file;
  }

  /** The entries of one bucket of the source. */
  positionsOf(bucket: string): CopyPositions {
    return {
      begin: (entry, startUs, latestUs) => {
        const known = this.#entries.get(keyOf(bucket, entry));
        if (known === undefined) return this.#track(bucket, entry, startUs, startUs);
        const { startUs: first, position } = known;
        const isThere = latestUs !== null && latestUs + 1n >= position.nextUs;
        // The last record that was acknowledged is not there any more: so may be others before it.
        return isThere ? known : this.#track(bucket, entry, first, first);
      },
      save: () => {
        if (!this.#isReadOnly) this.#write();
      },
    };
  }

  /**
   * Ends the writing. A file that says nothing is removed.
   * @param isComplete nothing is left to do.
   * @throws CliError when it cannot be written, and is older than what was copied.
   */
  finish(isComplete: boolean): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isReadOnly) return;
    if (isComplete || this.#entries.size === 0) rmSync(this.path, { force: true });
    else this.#write();
  }

  #track(bucket: string, entry: string, startUs: bigint, nextUs: bigint): TrackedEntry {
    const position = new EntryPosition(nextUs, () => this.#saveSoon());
    const tracked = { bucket, entry, startUs, position };
    this.#entries.set(keyOf(bucket, entry), tracked);
    return tracked;
  }

  #saveSoon(): void {
    if (this.#isReadOnly) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tryWrite();
    }, SAVE_INTERVAL_MS);
  }

  #tryWrite(): void {
    try {
      this.#write();
    } catch (error) {
      // The copy goes on: what is in the file is still true, only old. `finish` tries again, and tells.
      if (!(error instanceof CliError)) throw error;
    }
  }

  #write(): void {
    const entries = [...this.#entries.values()].map(
      ({ bucket, entry, startUs, position }): ResumeEntry => ({
        bucket,
        entry,
        startUs,
        nextUs: position.nextUs,
      }),
    );
    const { startUs, stopUs } = this;
    replace(this.path, formatResume({ command: this.#command, startUs, stopUs, entries }));
  }
}

/** Names of buckets hold no slash. */
function keyOf(bucket: string, entry: string): string {
  return `${bucket}/${entry}`;
}

function readState(path: string): ResumeState | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissingFile(error)) return null;
    throw new CliError(`Cannot read the resume file ${path}: ${fileErrorText(error)}`);
  }
  const state = parseResume(text);
  if (typeof state !== 'string') return state;
  throw new CliError(
    `${path} is no resume file to go on with: ${state}`,
    'It is left as it is. Name another file, or remove this one: the copy then begins anew and compares.',
  );
}

function checkSame(
  path: string,
  before: ResumeState['command'],
  now: ResumeState['command'],
): void {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  const differing = [...names].filter((name) => before[name] !== now[name]);
  if (differing.length === 0) return;
  const parts = differing.map((name) => {
    return `${name} was ${before[name] ?? 'not given'} and is ${now[name] ?? 'not given'}`;
  });
  throw new CliError(
    `${path} belongs to another copy: ${parts.join('; ')}`,
    'Run the command as it was, or name another file for this one.',
  );
}

/** Readers see the old content or the new one, also after a crash. */
function replace(path: string, text: string): void {
  const next = join(dirname(path), unfinishedName(basename(path), process.pid));
  try {
    fillAndRename(openSync(next, 'w', PRIVATE), next, path, () => text);
  } catch (error) {
    throw new CliError(`Cannot write the resume file ${path}: ${fileErrorText(error)}`);
  }
}

/** Of runs that were killed while they wrote. */
function removeLeftovers(path: string): void {
  const folder = dirname(path);
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    throw new CliError(`Cannot write the resume file ${path}: ${fileErrorText(error)}`);
  }
  for (const name of names) {
    const writer = writerOf(name);
    if (writer === null || name !== unfinishedName(basename(path), writer)) continue;
    if (!isRunning(writer)) rmSync(join(folder, name), { force: true });
  }
}
