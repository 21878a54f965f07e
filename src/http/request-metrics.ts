/** Counters of requests: typed arrays on the path of every request, read by the metrics module when it is asked. */

/** Groups of routes; a bounded label. */
export const ROUTE_GROUPS = [
  'server',
  'bucket',
  'write',
  'batch_write',
  'read',
  'batch_read',
  'change',
  'query',
  'link',
  'lifecycle',
  'replication',
  'metrics',
  'other',
] as const;
export type RouteGroup = (typeof ROUTE_GROUPS)[number];

/** Index of a group in the counters; routes keep it, so that a request looks nothing up. */
export function groupIndex(group: RouteGroup): number {
  return ROUTE_GROUPS.indexOf(group);
}

/** Outcomes; `aborted` are connections that were gone before the answer. */
export const OUTCOMES = ['2xx', '3xx', '4xx', '5xx', 'aborted'] as const;
export type Outcome = (typeof OUTCOMES)[number];
const ABORTED = OUTCOMES.indexOf('aborted');

/**
 * Upper bounds in seconds. From a quarter of a commit group in page cache to the longest wait of a read batch; above
 * the last one everything counts as infinite.
 */
export const DURATION_BUCKETS_S = [
  0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;
const BOUNDS_MS = Float64Array.from(DURATION_BUCKETS_S, (seconds) => seconds * 1000);

/** Counts of one group since the start. */
export interface RouteGroupCounts {
  readonly group: RouteGroup;
  readonly requests: Readonly<Record<Outcome, number>>;
  /** Requests per bucket of `DURATION_BUCKETS_S`, not cumulative; one more for everything above. */
  readonly durationCounts: readonly number[];
  readonly durationSumS: number;
}

export class RequestMetrics {
  readonly #outcomes = new Float64Array(ROUTE_GROUPS.length * OUTCOMES.length);
  readonly #durations = new Float64Array(ROUTE_GROUPS.length * (BOUNDS_MS.length + 1));
  readonly #sumsMs = new Float64Array(ROUTE_GROUPS.length);

  /** @param group from `groupIndex`. @param status of the answer, 0 when the connection was gone. */
  observe(group: number, status: number, durationMs: number): void {
    const outcome = status === 0 ? ABORTED : Math.min(Math.max(Math.floor(status / 100) - 2, 0), 3);
    const at = group * OUTCOMES.length + outcome;
    this.#outcomes[at] = (this.#outcomes[at] ?? 0) + 1;
    let bucket = 0;
    while (bucket < BOUNDS_MS.length && durationMs > (BOUNDS_MS[bucket] ?? 0)) bucket++;
    const slot = group * (BOUNDS_MS.length + 1) + bucket;
    this.#durations[slot] = (this.#durations[slot] ?? 0) + 1;
    this.#sumsMs[group] = (this.#sumsMs[group] ?? 0) + durationMs;
  }

  snapshot(): RouteGroupCounts[] {
    const width = BOUNDS_MS.length + 1;
    return ROUTE_GROUPS.map((group, index) => {
      const count = (outcome: Outcome): number =>
        this.#outcomes[index * OUTCOMES.length + OUTCOMES.indexOf(outcome)] ?? 0;
      return {
        group,
        requests: {
          '2xx': count('2xx'),
          '3xx': count('3xx'),
          '4xx': count('4xx'),
          '5xx': count('5xx'),
          aborted: count('aborted'),
        },
        durationCounts: [...this.#durations.subarray(index * width, (index + 1) * width)],
        durationSumS: (this.#sumsMs[index] ?? 0) / 1000,
      };
    });
  }
}
