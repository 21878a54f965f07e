/** The text of a resume file: what it was made for, and how far each entry has come. Pure. */
import { createHash } from 'node:crypto';
import * as v from 'valibot';

/** Of the first member; others are somebody else's files. */
const FORMAT = 'millrace-cp-resume';
const VERSION = 1;

const MICROSECONDS = v.pipe(
  v.string(),
  v.regex(/^\d{1,20}$/),
  v.transform((text) => BigInt(text)),
);

const ENTRY = v.strictObject({
  bucket: v.string(),
  entry: v.string(),
  start_us: MICROSECONDS,
  next_us: MICROSECONDS,
});

const BODY = v.strictObject({
  command: v.record(v.string(), v.string()),
  start_us: v.nullable(MICROSECONDS),
  stop_us: v.nullable(MICROSECONDS),
  entries: v.array(ENTRY),
});

const FILE = v.strictObject({
  format: v.literal(FORMAT),
  version: v.literal(VERSION),
  sha256: v.string(),
  body: v.unknown(),
});

export interface ResumeEntry {
  /** Of the source; empty for a folder. */
  readonly bucket: string;
  readonly entry: string;
  /** First timestamp of the range, µs. */
  readonly startUs: bigint;
  /** Everything in the range below it is at the destination, µs. */
  readonly nextUs: bigint;
}

export interface ResumeState {
  /** What decides which records go where, by the names people know it by; without tokens. */
  readonly command: Readonly<Record<string, string>>;
  /** What `--start` and `--stop` meant to the first run, µs; `null`: not given. */
  readonly startUs: bigint | null;
  readonly stopUs: bigint | null;
  readonly entries: readonly ResumeEntry[];
}

export function formatResume({ command, startUs, stopUs, entries }: ResumeState): string {
  const body = {
    command,
    start_us: startUs?.toString() ?? null,
    stop_us: stopUs?.toString() ?? null,
    entries: entries.map((row) => ({
      bucket: row.bucket,
      entry: row.entry,
      start_us: `${row.startUs}`,
      next_us: `${row.nextUs}`,
    })),
  };
  const document = { format: FORMAT, version: VERSION, sha256: hashOf(body), body };
  return `${JSON.stringify(document, null, 1)}\n`;
}

/** @returns the state, or why the text is none. */
export function parseResume(text: string): ResumeState | string {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return 'it is empty, damaged or another kind of file';
  }
  const file = v.safeParse(FILE, document);
  if (!file.success) return 'it is another kind of file, or of another version';
  const { sha256, body } = file.output;
  if (sha256 !== hashOf(body)) return 'it is damaged, its checksum does not fit';
  const parsed = v.safeParse(BODY, body);
  if (!parsed.success) return 'it is damaged';
  const { command, start_us: startUs, stop_us: stopUs, entries } = parsed.output;
  return {
    command,
    startUs,
    stopUs,
    entries: entries.map((row) => ({
      bucket: row.bucket,
      entry: row.entry,
      startUs: row.start_us,
      nextUs: row.next_us,
    })),
  };
}

/** Members keep their order when JSON is read. */
function hashOf(body: unknown): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex');
}
