/** What the headers of a target's answer say (spec §5.3). Names come in lower case, as undici gives them. */
import { UnavailableError } from '../errors/errors.ts';

export type AnswerHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A record the target refused, out of a request it accepted as a whole. */
export interface RecordError {
  /** The target's code, or `UNREADABLE_STATUS`. */
  readonly status: number;
  readonly message: string;
}

/** Stands for the code of a per-record error that has none; no HTTP status, and a key SDKs know as "unknown". */
export const UNREADABLE_STATUS = -1;

const RECORD_ERROR_PREFIX = 'x-reduct-error-';

/** The reason of a refusal where the target gave none (spec §6.2). */
const NO_MESSAGE = 'Unknown';

/**
 * Failed records by timestamp (µs), from headers `x-reduct-error-<timestamp>: <code>,<message>`.
 *
 * A value without a readable code is an error of that record with `UNREADABLE_STATUS`. A name whose timestamp is
 * unreadable makes the whole answer worthless, since any record may be meant, and counting one as delivered which is
 * not would lose it.
 *
 * @throws UnavailableError in that case; nothing of the batch may be taken as delivered.
 */
export function parseRecordErrors(headers: AnswerHeaders): Map<bigint, RecordError> {
  const errors = new Map<bigint, RecordError>();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || !name.startsWith(RECORD_ERROR_PREFIX)) continue;
    const timestamp = name.slice(RECORD_ERROR_PREFIX.length);
    if (!/^\d{1,20}$/.test(timestamp)) {
      throw new UnavailableError(`The target's answer has an unreadable header '${name}'`);
    }
    errors.set(BigInt(timestamp), parseRecordError(firstOf(value)));
  }
  return errors;
}

/** The target's reason for a refusal: `x-reduct-error`, where it redirects to, or `Unknown`. */
export function answerMessage(headers: AnswerHeaders): string {
  return firstOf(headers['x-reduct-error']) || redirectMessage(headers) || NO_MESSAGE;
}

/**
 * Whether an answer is a page for people: what login pages of networks and some proxies answer to every request, with 200,
 * and would be taken for delivered. Servers of this kind announce their API, and never answer records with HTML.
 */
export function isWebPage(headers: AnswerHeaders): boolean {
  if (firstOf(headers['x-reduct-api']) !== '') return false;
  return /^(?:text\/html|application\/xhtml)/i.test(firstOf(headers['content-type']).trim());
}

/** Bodies cannot be sent a second time, so the URL has to be given that a redirect leads to. */
function redirectMessage(headers: AnswerHeaders): string {
  const location = firstOf(headers['location']);
  if (location === '') return '';
  // Without user and query: they may be secrets.
  const place = URL.canParse(location) ? new URL(location).origin : 'another path of this host';
  return `redirected to ${place}: give the URL that it leads to as the host`;
}

/**
 * The wait the target asks for, in ms from `nowMs` (Unix epoch) and not below 0: `Retry-After` as seconds or as an
 * HTTP date. `null` when it is absent or unreadable.
 */
export function parseRetryAfter(headers: AnswerHeaders, nowMs: number): number | null {
  const value = firstOf(headers['retry-after']).trim();
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  // Only dates with a zone: the lenient parser would read "-1" or "1.5" as a date, too.
  const dateMs = value.endsWith(' GMT') ? Date.parse(value) : Number.NaN;
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - nowMs);
}

function parseRecordError(value: string): RecordError {
  const match = /^\s*(\d{1,5})\s*,(.*)$/s.exec(value);
  if (match === null) return { status: UNREADABLE_STATUS, message: value.trim() || NO_MESSAGE };
  return { status: Number(match[1]), message: match[2]?.trim() || NO_MESSAGE };
}

function firstOf(value: string | readonly string[] | undefined): string {
  return (typeof value === 'string' ? value : value?.[0]) ?? '';
}
