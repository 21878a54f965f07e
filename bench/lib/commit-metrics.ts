/** In which bucket of the server's own histogram the slowest commit lies, in words. */
const BUCKET_LINE = /^millrace_[a-z_]*commit[a-z_]*_seconds_bucket\{.*le="([^"]+)"[^}]*\} (\S+)/;

/** @param metrics text of `GET /metrics` */
export function commitDurationBound(metrics: string): string {
  let before = 0;
  let lower = '0';
  let bound: string | undefined;
  let previousLe = '0';
  for (const line of metrics.split('\n')) {
    const match = BUCKET_LINE.exec(line);
    if (match === null) continue;
    const [, le = '', text = ''] = match;
    const count = Number(text);
    if (count > before) {
      bound = le;
      lower = previousLe;
    }
    before = count;
    previousLe = le;
  }
  if (bound === undefined) return 'the server publishes no commit durations';
  return `the slowest commit took ${lower} s to ${bound} s by the server's own histogram`;
}
