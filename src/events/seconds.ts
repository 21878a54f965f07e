/** Durations in documents of events: seconds, to the µs. */
export function secondsOf(durationMs: number): number {
  return Math.round(durationMs * 1000) / 1e6;
}
