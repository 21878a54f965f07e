import { commitDurationBound } from '../lib/commit-metrics.ts';
import { atMost, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Server, type Durability } from '../lib/server.ts';
import { singleShape } from '../lib/shapes.ts';

const BUCKET = 'bench';
const PAYLOAD_BYTES = 4096;
const DURATION_MS = 60_000;
const QUICK_DURATION_MS = 5_000;
const WARMUP_MS = 1_000;
const GOAL_MS = 250;
const DURABILITIES: readonly Durability[] = ['os', 'fsync'];

export const commitPause: Row = {
  id: 'commit-pause',
  title: 'worst pause of the commit path in 60 s of full-rate 4 KiB ingest',
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings, driver, progress } = context;
  const figures = [];
  const notes = [];
  const raw: Record<string, unknown> = {};
  for (const durability of DURABILITIES) {
    progress(durability);
    const server = await Server.withBucket(scope, BUCKET, { durability });
    const load = await driver.run({
      generator: 'sockets',
      target: server.target(BUCKET),
      shape: singleShape(settings, PAYLOAD_BYTES),
      warmupMs: WARMUP_MS,
      measureMs: settings.quick ? QUICK_DURATION_MS : DURATION_MS,
      watchedPids: [server.pid],
    });
    const bound = commitDurationBound(await server.admin.metrics());
    await server.stop();
    const { longestGapMs, longestDriverDelayMs, recordsPerSecond, latencyUs } = load;
    figures.push({
      label: `${durability}: longest time without any answer`,
      value: longestGapMs,
      unit: 'ms',
      goal: atMost(GOAL_MS),
    });
    notes.push(
      `${durability}: ${Math.round(recordsPerSecond)} records/s, latency p50 ${(latencyUs.p50 / 1000).toFixed(1)} ` +
        `p99 ${(latencyUs.p99 / 1000).toFixed(1)} p99.9 ${(latencyUs.p999 / 1000).toFixed(1)} ` +
        `max ${(latencyUs.max / 1000).toFixed(1)} ms; ${bound}; ` +
        `the generator's own longest delay was ${longestDriverDelayMs.toFixed(1)} ms`,
    );
    raw[durability] = load;
  }
  return { figures, notes, raw };
}
