import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import type { LoadJob } from './load-job.ts';
import type { Meter } from './meter.ts';
import type { RequestSource } from './request-writer.ts';

/** autocannon looks for the end of a run this often. */
const SAMPLE_MS = 100;
const LONGEST_RUN_S = 3600;
/** Seconds; far above any answer, so that a pause is measured and not cut short. */
const REQUEST_TIMEOUT_S = 60;

/**
 * Closed loop by autocannon: its sockets, its HTTP parser, its bookkeeping. Two things are ours. The bytes of a
 * request come from prepared ones, since autocannon builds a request that differs from the last one anew, header by
 * header, and its own CPU would hide the server. Latencies are taken from its `response` events in µs, 2xx apart: its
 * histogram is in whole milliseconds and mixes errors in. No rate is set, so there is no schedule to correct for, and
 * autocannon corrects for none (it refuses `ignoreCoordinatedOmission` then); `open-loop-writer` measures with one.
 */
export async function runAutocannon(
  job: LoadJob,
  writers: readonly RequestSource[],
  meter: Meter,
): Promise<void> {
  const { target, shape, warmupMs, measureMs } = job;
  if (job.requests !== undefined) throw new Error('autocannon runs for a time, not for a count');
  const unused = [...writers];
  const done = new Promise<void>((resolve, reject) => {
    const instance = autocannon(
      {
        url: `http://127.0.0.1:${target.port}`,
        connections: shape.connections,
        duration: LONGEST_RUN_S,
        timeout: REQUEST_TIMEOUT_S,
        sampleInt: SAMPLE_MS,
        setupClient: (client) => {
          const writer = unused.pop();
          if (writer === undefined) throw new Error('more connections than request writers');
          Object.assign(client, { getRequestBuffer: () => writer.next() });
        },
      },
      (error: Error | null) => {
        if (error === null) resolve();
        else reject(error);
      },
    );
    instance.on('response', (_client, status, _bytes, latencyMs) => {
      if (status === 200) meter.onSuccess(performance.now() - latencyMs);
      else meter.onFailure();
    });
    instance.on('reqError', () => meter.onFailure());
    void measure(instance, meter, warmupMs, measureMs).catch(reject);
  });
  await done;
}

async function measure(
  instance: autocannon.Instance,
  meter: Meter,
  warmupMs: number,
  measureMs: number,
): Promise<void> {
  await once(instance, 'start');
  await sleep(warmupMs);
  meter.open();
  await sleep(measureMs);
  meter.close();
  instance.stop();
}
