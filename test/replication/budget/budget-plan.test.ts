import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isInWindow, planBudget } from '../../../src/replication/budget/budget-plan.ts';
import {
  readBudget,
  type LinkBudget,
  WEEKDAYS,
} from '../../../src/replication/budget/link-budget.ts';
import { wallTime } from '../../../src/replication/budget/zone-clock.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const UNUSED = { day: 0, bytes: 0 };

function budget(members: object): LinkBudget {
  const read = readBudget(members);
  if (read === null) throw new Error('no budget');
  return read;
}

function at(text: string): number {
  return new Date(text).getTime();
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** Clocks change in these zones: whole and half hours, at midnight, and never. */
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Santiago',
  'Africa/Cairo',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Apia',
];

const clock = fc.integer({ min: 0, max: 1439 }).map((minute) => {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
});
const windows = fc.array(
  fc.record({ days: fc.subarray([...WEEKDAYS], { minLength: 1 }), from: clock, to: clock }),
  { minLength: 1, maxLength: 4 },
);
/** Near a change of clocks in one of the zones, or anywhere. */
const moment = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(
        '2026-03-29T01:00Z',
        '2026-10-25T01:00Z',
        '2026-11-01T06:00Z',
        '2026-04-05T03:00Z',
        '2026-09-06T04:00Z',
        '2026-04-23T22:00Z',
        '2026-10-03T15:30Z',
      ),
      fc.integer({ min: -2 * DAY_MS, max: DAY_MS }),
    )
    .map(([text, shiftMs]) => at(text) + shiftMs),
  fc.integer({ min: at('2024-01-01T00:00Z'), max: at('2028-01-01T00:00Z') }),
);

describe('windows', () => {
  test('open and close when a clock that is looked at every minute says so', () => {
    fc.assert(
      fc.property(windows, fc.constantFrom(...ZONES), moment, (given, time_zone, nowMs) => {
        const plan = budget({ windows: given, time_zone });
        const { state, changesAtMs } = planBudget(plan, nowMs, UNUSED);
        const isOpen = isInWindow(plan, nowMs);
        expect(state).toBe(isOpen ? 'open' : 'window');
        const limitMs = changesAtMs ?? nowMs + 9 * DAY_MS;
        // Changes fall on whole minutes of UTC in these zones and years.
        const firstMs = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
        const stepMs = limitMs - nowMs > DAY_MS ? 7 * MINUTE_MS : MINUTE_MS;
        for (let ms = firstMs; ms < limitMs; ms += stepMs) {
          if (isInWindow(plan, ms) !== isOpen) throw new Error(`changes at ${iso(ms)} already`);
        }
        if (changesAtMs === null) return;
        expect(changesAtMs).toBeGreaterThan(nowMs);
        expect(isInWindow(plan, changesAtMs)).toBe(!isOpen);
        expect(isInWindow(plan, changesAtMs - 1)).toBe(isOpen);
      }),
      { numRuns: 60 },
    );
  });

  const night = { days: ['fri'], from: '22:00', to: '06:00' };
  const berlin = (window: object): LinkBudget =>
    budget({ windows: [window], time_zone: 'Europe/Berlin' });

  test.each([
    ['before it begins', '2026-01-30T12:00Z', 'window', '2026-01-30T21:00:00.000Z'],
    ['before midnight', '2026-01-30T22:30Z', 'open', '2026-01-31T05:00:00.000Z'],
    ['behind midnight', '2026-01-31T03:00Z', 'open', '2026-01-31T05:00:00.000Z'],
    ['at its end', '2026-01-31T05:00Z', 'window', '2026-02-06T21:00:00.000Z'],
  ])('over midnight belong to the day they begin on: %s', (_what, now, state, changesAt) => {
    const plan = planBudget(berlin(night), at(now), UNUSED);
    expect([plan.state, iso(plan.changesAtMs)]).toEqual([state, changesAt]);
  });

  test('are an hour shorter when clocks go forward over their end, and longer when they go back', () => {
    const window = { days: ['sat'], from: '23:00', to: '04:00' };
    const spring = planBudget(berlin(window), at('2026-03-28T22:00Z'), UNUSED);
    expect(iso(spring.changesAtMs)).toBe('2026-03-29T02:00:00.000Z');
    const autumn = planBudget(berlin(window), at('2026-10-24T21:00Z'), UNUSED);
    expect(iso(autumn.changesAtMs)).toBe('2026-10-25T03:00:00.000Z');
  });

  test('in an hour that does not exist end when it is left out', () => {
    const window = { days: ['sun'], from: '01:00', to: '02:30' };
    const plan = planBudget(berlin(window), at('2026-03-29T00:30Z'), UNUSED);
    // 01:59:59 is followed by 03:00:00.
    expect(iso(plan.changesAtMs)).toBe('2026-03-29T01:00:00.000Z');
  });

  test('that cover the week never close', () => {
    const all = budget({ windows: [{ from: '00:00', to: '24:00' }] });
    expect(planBudget(all, at('2026-01-30T12:00Z'), UNUSED)).toMatchObject({
      state: 'open',
      changesAtMs: null,
    });
  });
});

describe('bytes of a day', () => {
  const daily = budget({ bytes_per_day: 1000, time_zone: 'Europe/Berlin' });

  test('are counted from midnight to midnight of the zone, also when a day has 23 or 25 hours', () => {
    for (const [now, end] of [
      ['2026-03-29T10:00Z', '2026-03-29T22:00:00.000Z'],
      ['2026-10-25T10:00Z', '2026-10-25T23:00:00.000Z'],
    ] as const) {
      const { day } = wallTime('Europe/Berlin', at(now));
      const plan = planBudget(daily, at(now), { day, bytes: 1000 });
      expect(plan).toMatchObject({ state: 'day', leftBytes: 0 });
      expect(iso(plan.changesAtMs)).toBe(end);
      const next = planBudget(daily, at(end), plan.use);
      expect(next).toMatchObject({ state: 'open', leftBytes: 1000, use: { bytes: 0 } });
      expect(planBudget(daily, at(end) - 1, plan.use).state).toBe('day');
    }
  });

  test('end at a midnight that does not exist, too', () => {
    // Santiago goes from 2026-09-05 23:59:59 to 2026-09-06 01:00:00.
    const santiago = budget({ bytes_per_day: 1, time_zone: 'America/Santiago' });
    const now = at('2026-09-06T03:00Z');
    const { day } = wallTime('America/Santiago', now);
    const plan = planBudget(santiago, now, { day, bytes: 1 });
    expect(iso(plan.changesAtMs)).toBe('2026-09-06T04:00:00.000Z');
    expect(wallTime('America/Santiago', plan.changesAtMs ?? 0)).toMatchObject({ minuteOfDay: 60 });
  });

  test('never come out below nothing, and only those of the present day count', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ZONES),
        moment,
        fc.nat(),
        fc.integer({ min: -2, max: 2 }),
        (time_zone, nowMs, bytes, shift) => {
          const limited = budget({ bytes_per_day: 1_000_000, time_zone });
          const { day } = wallTime(time_zone, nowMs);
          const plan = planBudget(limited, nowMs, { day: day + shift, bytes });
          const counted = shift === 0 ? bytes : 0;
          expect(plan.use).toEqual({ day, bytes: counted });
          expect(plan.leftBytes).toBe(Math.max(0, 1_000_000 - counted));
          if (plan.state !== 'day') return;
          const endMs = plan.changesAtMs ?? 0;
          expect(wallTime(time_zone, endMs).day).toBeGreaterThan(day);
          expect(wallTime(time_zone, endMs - 1).day).toBe(day);
        },
      ),
    );
  });
});
