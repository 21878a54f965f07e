/** What a budget allows at a moment, and when that changes. Pure: budget, clock and what was used decide. */
import { type BudgetWindow, type LinkBudget, WEEKDAYS } from './link-budget.ts';
import { offsetMs, transitionMs, wallTime, type WallTime } from './zone-clock.ts';

/** What went over the link on a day of the budget's time zone. */
export interface DayUse {
  /** Days since 1970-01-01 on the wall clock. */
  readonly day: number;
  readonly bytes: number;
}

export interface BudgetPlan {
  /** `window`: it is the wrong time; `day`: the day's bytes are used. */
  readonly state: 'open' | 'window' | 'day';
  /** When the windows open or close next, or the day ends whose bytes are used, ms since the epoch; `null`: never. */
  readonly changesAtMs: number | null;
  /** Of the day that it is now. */
  readonly use: DayUse;
  /** Bytes that may still be sent today; infinite without a limit. */
  readonly leftBytes: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const DAY_MINUTES = 1440;
/** Boundaries of windows and changes of clocks within a bit more than a week; beyond, nothing changes. */
const MAX_STEPS = 2_000;
const HORIZON_MS = 9 * DAY_MS;

/** @param used what is known of earlier; that of another day does not count. */
export function planBudget(budget: LinkBudget, nowMs: number, used: DayUse): BudgetPlan {
  const { bytesPerDay, timeZone } = budget;
  const { day } = wallTime(timeZone, nowMs);
  const use = used.day === day ? used : { day, bytes: 0 };
  const leftBytes =
    bytesPerDay === null ? Number.POSITIVE_INFINITY : Math.max(0, bytesPerDay - use.bytes);
  const isOpen = isInWindow(budget, nowMs);
  if (isOpen && leftBytes === 0) {
    return { state: 'day', changesAtMs: nextDayMs(timeZone, nowMs), use, leftBytes };
  }
  const changesAtMs = nextChangeMs(budget, nowMs);
  return { state: isOpen ? 'open' : 'window', changesAtMs, use, leftBytes };
}

/** Whether the wall clock shows a time in one of the windows. In an hour that comes twice it does so twice. */
export function isInWindow({ windows, timeZone }: LinkBudget, atMs: number): boolean {
  if (windows.length === 0) return true;
  const wall = wallTime(timeZone, atMs);
  return windows.some((window) => contains(window, wall));
}

function contains({ days, fromMinute, toMinute }: BudgetWindow, wall: WallTime): boolean {
  const { weekday, minuteOfDay } = wall;
  const beginsOn = (day: number): boolean => days.some((name) => WEEKDAYS[(day + 7) % 7] === name);
  const isOvernight = toMinute <= fromMinute;
  const isBehindFrom = minuteOfDay >= fromMinute && (isOvernight || minuteOfDay < toMinute);
  if (isBehindFrom && beginsOn(weekday)) return true;
  return isOvernight && minuteOfDay < toMinute && beginsOn(weekday - 1);
}

/** The first moment behind `nowMs` at which `isInWindow` is another. */
function nextChangeMs(budget: LinkBudget, nowMs: number): number | null {
  const { windows, timeZone } = budget;
  if (windows.length === 0) return null;
  const isOpen = isInWindow(budget, nowMs);
  const boundaries = boundariesOf(windows);
  let atMs = nowMs;
  for (let step = 0; step < MAX_STEPS && atMs - nowMs < HORIZON_MS; step++) {
    atMs = nextMomentMs(timeZone, atMs, (minute) => {
      return (boundaries.find((boundary) => boundary > minute) ?? DAY_MINUTES) - minute;
    });
    if (isInWindow(budget, atMs) !== isOpen) return atMs;
  }
  return null;
}

/** Minutes of a day at which a window may open or close, ascending. */
function boundariesOf(windows: readonly BudgetWindow[]): readonly number[] {
  const minutes = windows.flatMap(({ fromMinute, toMinute }) => [fromMinute, toMinute]);
  return [...new Set(minutes)].toSorted((a, b) => a - b);
}

function nextDayMs(timeZone: string, nowMs: number): number {
  const { day } = wallTime(timeZone, nowMs);
  let atMs = nowMs;
  while (wallTime(timeZone, atMs).day === day) {
    atMs = nextMomentMs(timeZone, atMs, (minute) => DAY_MINUTES - minute);
  }
  return atMs;
}

/**
 * The moment so many minutes later on the wall clock, or an earlier one at which the clocks are changed.
 * @param minutesFrom minutes to go from a minute of the day.
 */
function nextMomentMs(
  timeZone: string,
  atMs: number,
  minutesFrom: (minuteOfDay: number) => number,
): number {
  const wall = wallTime(timeZone, atMs);
  const minuteStartMs = wall.day * DAY_MS + wall.minuteOfDay * MINUTE_MS;
  const offset = wall.ms - atMs;
  const wantedMs = minuteStartMs + minutesFrom(wall.minuteOfDay) * MINUTE_MS - offset;
  if (offsetMs(timeZone, wantedMs) === offset) return wantedMs;
  return transitionMs(timeZone, atMs, wantedMs);
}
