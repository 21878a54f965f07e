/** Date parts of a timestamp in a time zone (when.md §8). */
import { ApiError } from '../../errors/errors.ts';
import { toInteger } from '../convert.ts';
import type { Evaluate } from '../frame.ts';
import type { Value } from '../value.ts';
import type { NamedOperator } from './operator.ts';
import { operandAt } from './operator.ts';
import { timeZone } from './time-zone.ts';

const US_PER_SECOND = 1_000_000n;
const SECONDS_PER_DAY = 86_400;
/** First and last second the reference server can show: years −262143 to 262142, proleptic Gregorian. */
const MIN_SECONDS = -8_334_601_228_800n;
const MAX_SECONDS = 8_210_266_876_799n;

/** Whole seconds of a local clock since 1970-01-01 00:00:00 on that clock → one part. */
type Part = (localSeconds: number) => number;

const floorMod = (value: number, divisor: number): number =>
  ((value % divisor) + divisor) % divisor;
const dayOf = (localSeconds: number): number => Math.floor(localSeconds / SECONDS_PER_DAY);

interface CivilDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** Days since 1970-01-01 to a date, in years that begin in March so that the leap day is the last one. */
function civilDate(epochDay: number): CivilDate {
  const shifted = epochDay + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

const PARTS: readonly (readonly [name: string, part: Part])[] = [
  ['$second', (seconds) => floorMod(seconds, 60)],
  ['$minute', (seconds) => Math.floor(floorMod(seconds, 3_600) / 60)],
  ['$hour', (seconds) => Math.floor(floorMod(seconds, SECONDS_PER_DAY) / 3_600)],
  ['$day', (seconds) => civilDate(dayOf(seconds)).day],
  ['$month', (seconds) => civilDate(dayOf(seconds)).month],
  ['$year', (seconds) => civilDate(dayOf(seconds)).year],
  // 1970-01-01 was a Thursday; Monday is 0.
  ['$weekday', (seconds) => floorMod(dayOf(seconds) + 3, 7)],
];

function epochSeconds(name: string, value: Value): number {
  const timestampUs = toInteger(value);
  const seconds = timestampUs / US_PER_SECOND;
  if (seconds < MIN_SECONDS || seconds > MAX_SECONDS) {
    throw new ApiError(
      422,
      `${name} requires a valid timestamp in microseconds, got ${timestampUs}`,
    );
  }
  return Number(seconds);
}

function zoneOffsetSeconds(name: string, zoneName: Value, seconds: number): number {
  if (typeof zoneName !== 'string') {
    throw new ApiError(422, `${name} requires timezone to be a string`);
  }
  const zone = timeZone(zoneName);
  if (zone === undefined) throw new ApiError(422, `Invalid timezone: '${zoneName}'`);
  return zone.offsetSeconds(seconds);
}

function datePart(name: string, part: Part, operands: readonly Evaluate[]): Evaluate {
  const timestamp = operandAt(operands, 0);
  const zone = operands[1];
  if (zone === undefined) {
    return (frame) => BigInt(part(epochSeconds(name, timestamp(frame))));
  }
  return (frame) => {
    const seconds = epochSeconds(name, timestamp(frame));
    return BigInt(part(seconds + zoneOffsetSeconds(name, zone(frame), seconds)));
  };
}

export const DATE_OPERATORS: readonly NamedOperator[] = PARTS.map(([name, part]) => [
  name,
  {
    minOperands: 1,
    maxOperands: 2,
    arityText: `${name} requires one or two operands`,
    build: (operands) => datePart(name, part, operands),
  },
]);
