/** What a row is, what it is given and what it gives back. */
import type { LoadDriver } from './load-driver.ts';
import type { Scope } from './scope.ts';
import type { Spread } from './stats.ts';

export interface BenchSettings {
  /** The first impression: shorter windows, fewer rounds and smaller amounts. */
  readonly quick: boolean;
  /** Interleaved rounds of every comparison. */
  readonly rounds: number;
  /** Load before each measured window, in ms. */
  readonly warmupMs: number;
  /** Measured window, in ms. */
  readonly measureMs: number;
  /** Of the load generator, each with one request in flight. */
  readonly connections: number;
  /** That the connections write to, connection `i` to entry `i mod entries`. */
  readonly entries: number;
}

export interface RowContext {
  readonly settings: BenchSettings;
  /** What the row starts goes with it. */
  readonly scope: Scope;
  readonly driver: LoadDriver;
  /** Progress for people, one line. */
  readonly progress: (text: string) => void;
}

export interface Goal {
  readonly bound: 'at most' | 'at least';
  readonly limit: number;
}

/** One number of a row. */
export interface Figure {
  readonly label: string;
  readonly value: number;
  /** `x` for a ratio. */
  readonly unit: string;
  /** Over the rounds. */
  readonly spread?: Pick<Spread, 'low' | 'high'>;
  readonly goal?: Goal;
}

export interface RowResult {
  readonly figures: readonly Figure[];
  /** What a reader must know to read the figures. */
  readonly notes: readonly string[];
  /** Says why a goal was missed; called only then. */
  readonly explain?: () => Promise<readonly string[]>;
  /** All rounds, for the JSON file. */
  readonly raw: unknown;
}

export interface Row {
  /** For `--only`. */
  readonly id: string;
  /** As in the table of goals. */
  readonly title: string;
  /** Part of `--quick`. */
  readonly inQuick: boolean;
  run(context: RowContext): Promise<RowResult>;
}

export function isMissed({ value, goal }: Figure): boolean {
  if (goal === undefined) return false;
  return goal.bound === 'at most' ? !(value <= goal.limit) : !(value >= goal.limit);
}

export function atMost(limit: number): Goal {
  return { bound: 'at most', limit };
}

export function atLeast(limit: number): Goal {
  return { bound: 'at least', limit };
}

/** A figure from the rounds of a comparison. */
export function spreadFigure(label: string, unit: string, spread: Spread, goal?: Goal): Figure {
  const { median, low, high } = spread;
  const figure = { label, unit, value: median, spread: { low, high } };
  return goal === undefined ? figure : { ...figure, goal };
}
