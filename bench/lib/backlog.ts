/** Rows about sending what has piled up: fill a bucket behind paused tasks, let them go, and wait. */
import type { RowContext } from './row.ts';
import type { Server } from './server.ts';
import { batchShape, BATCH_RECORDS } from './shapes.ts';
import { until } from './wait.ts';

const DRAIN_TIMEOUT_MS = 300_000;
/** Each look costs the source's main thread a request. */
const POLL_MS = 20;

export interface TaskTarget {
  readonly url: string;
  readonly token: string;
}

/** Writes `records` (a multiple of 80) by batch v1, without pauses. Returns records/s. */
export async function fillBucket(
  { settings, driver }: RowContext,
  server: Server,
  bucket: string,
  payloadBytes: number,
  records: number,
): Promise<number> {
  const load = await driver.run({
    generator: 'sockets',
    target: server.target(bucket),
    shape: batchShape(settings, payloadBytes),
    warmupMs: 0,
    measureMs: 0,
    requests: records / BATCH_RECORDS,
    watchedPids: [],
  });
  return load.recordsPerSecond;
}

/** Makes paused tasks that send a bucket to a bucket of the same name. */
export async function createPausedTasks(
  server: Server,
  bucket: string,
  targets: ReadonlyMap<string, TaskTarget>,
): Promise<void> {
  for (const [name, { url, token }] of targets) {
    await server.admin.createTask(name, bucket, {
      dstHost: url,
      dstToken: token,
      dstBucket: bucket,
      mode: 'paused',
    });
  }
}

/** Enables tasks and waits until all of them have nothing pending. Returns the time from the first change in ms. */
export async function drainTasks(server: Server, names: readonly string[]): Promise<number> {
  const startMs = performance.now();
  await Promise.all(names.map((name) => server.admin.setTaskMode(name, 'enabled')));
  for (const name of names) {
    await until(
      `The delivery of ${name}`,
      async () => (await server.admin.pendingRecords(name)) === 0,
      DRAIN_TIMEOUT_MS,
      POLL_MS,
    );
  }
  return performance.now() - startMs;
}
