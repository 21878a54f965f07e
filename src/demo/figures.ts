/** Numbers as the demo prints them. Pure functions. */

/** `20000` → `20,000`. */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Bytes as MB (10^6) with one digit. */
export function formatMegabytes(valueBytes: number): string {
  return `${(valueBytes / 1e6).toLocaleString('en-US', { minimumFractionDigits: 1, maximumFractionDigits: 1 })} MB`;
}

/** Milliseconds as `1.2 ms`, `240 ms` or `3.41 s`. */
export function formatDuration(valueMs: number): string {
  if (valueMs < 10) return `${valueMs.toFixed(1)} ms`;
  if (valueMs < 1000) return `${valueMs.toFixed(0)} ms`;
  return `${(valueMs / 1000).toFixed(2)} s`;
}

/** Nearest-rank percentile, `share` in (0, 1]; `undefined` without values. */
export function percentile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}
