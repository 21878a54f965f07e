/** The load generator in a process of its own, so that its CPU is not anybody else's. */
import { SignalReader } from '../../src/signal/signal-reader.ts';
import { loadSignal, type Signal } from '../../src/signal/signal.ts';
import { runAutocannon } from '../lib/autocannon-load.ts';
import { serveCalls } from '../lib/child-calls.ts';
import type { LoadJob, LoadResult, LoadShape } from '../lib/load-job.ts';
import { Meter } from '../lib/meter.ts';
import {
  EntryClock,
  entryName,
  latestRecordReader,
  RequestWriter,
  type RequestSource,
} from '../lib/request-writer.ts';
import { runSockets } from '../lib/socket-load.ts';

const signal: Signal = loadSignal();
const readers: Map<string, SignalReader> = new Map();

async function run(argument: unknown): Promise<LoadResult> {
  // The parent is built from the same sources.
  const job = argument as LoadJob;
  const writers = requestWriters(job);
  const meter = new Meter(job.watchedPids, job.shape.recordsPerRequest);
  if (job.generator === 'autocannon') await runAutocannon(job, writers, meter);
  else await runSockets(job, writers, meter);
  return meter.result();
}

/**
 * Timestamps start at the clock's time and go on in steps of 1 µs. No server takes a million records a second into one
 * entry, so a later run on the same entries starts above all earlier ones.
 */
function requestWriters({ shape, target }: LoadJob): RequestSource[] {
  const { read } = shape;
  if (read !== undefined) {
    return Array.from({ length: shape.connections }, (_, connection) =>
      latestRecordReader(target, entryName(connection % shape.entries), read),
    );
  }
  const startUs = Date.now() * 1000;
  const clocks = Array.from({ length: shape.entries }, () => new EntryClock(startUs));
  const payloads = payloadsOf(shape);
  return Array.from({ length: shape.connections }, (_, connection) => {
    const isMulti = (shape.entriesPerRequest ?? 1) > 1;
    const entry = isMulti ? 0 : connection % shape.entries;
    const entries = isMulti ? clocks.map((_clock, index) => entryName(index)) : [entryName(entry)];
    const clock = clocks[entry];
    if (clock === undefined) throw new Error(`no entry ${entry}`);
    const firstPayload = Math.floor((connection / shape.connections) * payloads.periodPayloads);
    return new RequestWriter(shape, target, entries, clock, payloads, firstPayload);
  });
}

function payloadsOf({ payloadBytes, recordsPerRequest }: LoadShape): SignalReader {
  const key = `${payloadBytes}x${recordsPerRequest}`;
  const known = readers.get(key);
  if (known !== undefined) return known;
  const reader = new SignalReader(signal, { payloadBytes, spanPayloads: recordsPerRequest });
  readers.set(key, reader);
  return reader;
}

serveCalls({ run, origin: () => signal.origin });
