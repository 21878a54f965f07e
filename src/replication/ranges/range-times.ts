/** Points in record time as bodies give them: µs since the Unix epoch, RFC 3339, or a word. */
import { ApiError } from '../../errors/errors.ts';
import { parseU64 } from '../../wire/numbers.ts';
import { parseRfc3339 } from '../../wire/rfc3339.ts';

type Members = Readonly<Record<string, unknown>>;

const BEGINNING = 'beginning';
const NOW = 'now';

/** Where a task or a back-fill starts: `now` leaves out what is there, a time is µs, from the beginning it is `null`. */
export type Start = 'now' | bigint | null;

/** The member `start` of a new task; `now` when it is absent or `null`. @throws ApiError 422. */
export function readTaskStart(members: Members): Start {
  const value = members['start'] ?? NOW;
  if (value === NOW) return NOW;
  return value === BEGINNING ? null : readTime(value, 'start', [NOW, BEGINNING]);
}

/** The member `start` of a back-fill; from the beginning when it is absent or `null`. @throws ApiError 422. */
export function readStart(members: Members): bigint | null {
  const value = members['start'] ?? BEGINNING;
  return value === BEGINNING ? null : readTime(value, 'start', [BEGINNING]);
}

/** The member `stop`; no bound when it is absent or `null`. @param nowMs wall clock. @throws ApiError 422. */
export function readStop(members: Members, nowMs: number): bigint | null {
  const value = members['stop'] ?? null;
  if (value === null) return null;
  return value === NOW ? BigInt(nowMs) * 1000n : readTime(value, 'stop', [NOW]);
}

function readTime(value: unknown, name: string, words: readonly string[]): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  const us = typeof value === 'string' ? (parseU64(value) ?? microsOf(value)) : undefined;
  if (us !== undefined && us >= 0n) return us;
  const others = words.map((word) => `"${word}"`).join(', ');
  throw new ApiError(
    422,
    `Invalid JSON: \`${name}\` must be ${others}, microseconds since 1970 or a date like 2026-01-31T12:00:00Z`,
  );
}

/** µs of an RFC 3339 text. */
function microsOf(text: string): bigint | undefined {
  const instant = parseRfc3339(text);
  if (instant === undefined) return undefined;
  const fraction = /\.(\d+)/.exec(instant.text)?.[1] ?? '';
  const belowMs = fraction.padEnd(6, '0').slice(3, 6);
  return BigInt(instant.epochMs) * 1000n + BigInt(belowMs);
}
