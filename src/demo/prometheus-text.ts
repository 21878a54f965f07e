/**
 * Sum over all series of a metric in the Prometheus text format, or `undefined` when it has none. Enough for reading
 * single gauges and counters; histograms and time stamps are not interpreted.
 */
export function metricSum(text: string, name: string): number | undefined {
  let sum: number | undefined;
  for (const line of text.split('\n')) {
    if (!line.startsWith(name)) continue;
    const match = /^(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?\s+(\S+)/.exec(line.slice(name.length));
    const value = Number(match?.[1] ?? Number.NaN);
    if (!Number.isNaN(value)) sum = (sum ?? 0) + value;
  }
  return sum;
}
