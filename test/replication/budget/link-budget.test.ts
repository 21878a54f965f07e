import { describe, expect, test } from 'vitest';
import { budgetJson, readBudget } from '../../../src/replication/budget/link-budget.ts';
import { ApiError } from '../../../src/errors/errors.ts';

const DAYS = 'sun, mon, tue, wed, thu, fri, sat';

describe('the member budget', () => {
  test.each([
    { bytes_per_second: 1000, time_zone: 'UTC' },
    {
      bytes_per_second: 1,
      bytes_per_day: 5_000_000,
      windows: [
        { days: ['mon', 'fri'], from: '22:00', to: '06:00' },
        { days: ['sat'], from: '00:00', to: '24:00' },
      ],
      time_zone: 'Europe/Berlin',
    },
  ])('comes back as it was sent: %j', (given) => {
    const budget = readBudget(given);
    expect(budget && budgetJson(budget)).toEqual(given);
  });

  test.each([undefined, null, {}, { windows: [] }, { bytes_per_day: null, time_zone: 'UTC' }])(
    'without limits is none: %j',
    (given) => {
      expect(readBudget(given)).toBeNull();
    },
  );

  test('has days in the order of the week, all of them when there are none, and 00:00 as an end is 24:00', () => {
    const budget = readBudget({ windows: [{ from: '08:00', to: '00:00' }] });
    expect(budget && budgetJson(budget)).toEqual({
      windows: [{ days: DAYS.split(', '), from: '08:00', to: '24:00' }],
      time_zone: 'UTC',
    });
    expect(
      readBudget({ windows: [{ days: ['fri', 'mon', 'fri'], from: '01:00', to: '02:00' }] }),
    ).toMatchObject({
      windows: [{ days: ['mon', 'fri'] }],
    });
  });

  test.each([
    [5, 'Invalid budget: it is not an object'],
    [[], 'Invalid budget: it is not an object'],
    [
      { bytesPerDay: 1 },
      "Invalid budget: 'bytesPerDay' is not one of bytes_per_second, bytes_per_day, windows, time_zone",
    ],
    [
      { bytes_per_second: 0 },
      'Invalid budget: bytes_per_second accepts a whole number of bytes from 1',
    ],
    [
      { bytes_per_day: '5MB' },
      'Invalid budget: bytes_per_day accepts a whole number of bytes from 1',
    ],
    [
      { bytes_per_day: 1, time_zone: 'Mars/Olympus' },
      'Invalid budget: time_zone accepts the name of a time zone, as in Europe/Berlin',
    ],
    [{ windows: {} }, 'Invalid budget: windows accepts a list of at most 64 windows'],
    [{ windows: [7] }, 'Invalid budget window: it is not an object'],
    [{ windows: [{ day: 'mon' }] }, "Invalid budget window: 'day' is not one of days, from, to"],
    [
      { windows: [{ days: ['Monday'], from: '01:00', to: '02:00' }] },
      `Invalid budget: windows accepts days as a list of ${DAYS}`,
    ],
    [
      { windows: [{ days: [], from: '01:00', to: '02:00' }] },
      `Invalid budget: windows accepts days as a list of ${DAYS}`,
    ],
    [
      { windows: [{ from: '24:00', to: '02:00' }] },
      'Invalid budget: windows accepts a from before 24:00',
    ],
    [
      { windows: [{ from: '1:00', to: '02:00' }] },
      'Invalid budget: windows accepts from as a time from 00:00 to 24:00, as in 22:30',
    ],
    [
      { windows: [{ from: '01:00', to: '24:01' }] },
      'Invalid budget: windows accepts to as a time from 00:00 to 24:00, as in 22:30',
    ],
    [
      { windows: [{ from: '01:60', to: '02:00' }] },
      'Invalid budget: windows accepts from as a time from 00:00 to 24:00, as in 22:30',
    ],
    [
      { windows: [{ from: '01:00' }] },
      'Invalid budget: windows accepts to as a time from 00:00 to 24:00, as in 22:30',
    ],
  ])('is refused where it is not understood: %j', (given, text) => {
    expect(() => readBudget(given)).toThrow(new ApiError(422, text));
  });
});
