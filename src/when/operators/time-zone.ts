/** Offsets of IANA time zones from UTC, from the zone data of the runtime. */
import { ZONE_NAMES } from './zone-names.ts';

const SECONDS_PER_DAY = 86_400;
const OFFSET_TEXT = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/;

/** One zone with the offset of the day asked for last; records come in time order, so it is nearly always that day. */
export class TimeZone {
  readonly #format: Intl.DateTimeFormat;
  #dayStart: number = NaN;
  #dayOffset = 0;

  /** @throws RangeError for a name the runtime does not know. */
  constructor(name: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      timeZoneName: 'longOffset',
    });
  }

  /** Seconds to add to UTC at the instant `epochSeconds`; seconds east of Greenwich are positive. */
  offsetSeconds(epochSeconds: number): number {
    if (epochSeconds >= this.#dayStart && epochSeconds < this.#dayStart + SECONDS_PER_DAY) {
      return this.#dayOffset;
    }
    const dayStart = Math.floor(epochSeconds / SECONDS_PER_DAY) * SECONDS_PER_DAY;
    const offset = this.#lookUp(dayStart);
    // Equal offsets at both ends mean no change in between: no zone changes its offset twice within a day.
    if (offset !== this.#lookUp(dayStart + SECONDS_PER_DAY)) return this.#lookUp(epochSeconds);
    this.#dayStart = dayStart;
    this.#dayOffset = offset;
    return offset;
  }

  #lookUp(epochSeconds: number): number {
    const text = this.#format.format(epochSeconds * 1_000);
    const [, sign, hours = '0', minutes = '0', seconds = '0'] = OFFSET_TEXT.exec(text) ?? [];
    const offset = Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds);
    return sign === '-' ? -offset : offset;
  }
}

/** Bounded by the number of zone names. */
const zones = new Map<string, TimeZone | undefined>();

/** The zone of an exact, case-sensitive IANA name, or undefined when there is none. */
export function timeZone(name: string): TimeZone | undefined {
  if (!zones.has(name) && ZONE_NAMES.has(name)) zones.set(name, openZone(name));
  return zones.get(name);
}

/** A runtime with older zone data may lack a name. */
function openZone(name: string): TimeZone | undefined {
  try {
    return new TimeZone(name);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
