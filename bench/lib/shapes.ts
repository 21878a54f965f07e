import type { LoadShape } from './load-job.ts';
import type { BenchSettings } from './row.ts';

/** Most records that batch rows put into a request; the figure, below the protocol's 85. */
export const BATCH_RECORDS = 80;

export function singleShape(settings: BenchSettings, payloadBytes: number): LoadShape {
  const { connections, entries } = settings;
  return { payloadBytes, recordsPerRequest: 1, connections, entries };
}

/** Batches of protocol v2 over all entries, with the connections of `batchShape`. */
export function multiBatchShape(
  settings: BenchSettings,
  payloadBytes: number,
  entries: number,
): LoadShape {
  return { ...batchShape(settings, payloadBytes), entries, entriesPerRequest: entries };
}

/** Fewer connections: each has a batch in flight. */
export function batchShape(settings: BenchSettings, payloadBytes: number): LoadShape {
  const connections = Math.min(16, settings.connections);
  const entries = Math.min(connections, settings.entries);
  return { payloadBytes, recordsPerRequest: BATCH_RECORDS, connections, entries };
}
