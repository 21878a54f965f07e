import { comparing, drain, filtered, holds, newTally, type Tally } from './comparison.ts';
import type { Instance } from './instance.ts';
import { CLOUD_BUCKET, EDGE_BUCKET, REPLICATED_ENTRIES, mustBeReplicated } from './plan.ts';
import type { SensorSource } from './sensor-source.ts';

/** A sensor and how many of its records the edge acknowledged. */
export interface AckedSource {
  readonly source: SensorSource;
  readonly ackedRecords: number;
}

export interface Verification {
  /** What the sensors had acknowledged against what the edge holds. */
  readonly edge: Tally;
  /** What the edge holds and the filter passes against what the cloud holds. */
  readonly cloud: Tally;
  /** Entries or record counts on either side that should not be, in words. */
  readonly surplus: readonly string[];
  readonly durationMs: number;
  readonly holds: boolean;
}

/**
 * Reads both sides and compares. Of each entry the edge is read once: what passes the filter goes straight on into the
 * comparison with the cloud, so that a few batches are all that is in memory.
 */
export async function verify(
  sensors: readonly AckedSource[],
  edge: Instance,
  cloud: Instance,
): Promise<Verification> {
  const startMs = performance.now();
  const edgeTally = newTally('edge');
  const cloudTally = newTally('cloud');
  for (const { source, ackedRecords } of sensors) {
    const stored = comparing(
      source.records(ackedRecords),
      edge.client.records(EDGE_BUCKET, source.entry),
      edgeTally,
    );
    if (REPLICATED_ENTRIES.includes(source.entry)) {
      const delivered = cloud.client.records(CLOUD_BUCKET, source.entry);
      await drain(comparing(filtered(stored, mustBeReplicated), delivered, cloudTally));
    } else {
      await drain(stored);
    }
  }
  const surplus = [
    ...(await surplusOf(
      edge,
      EDGE_BUCKET,
      edgeTally,
      sensors.map(({ source }) => source.entry),
    )),
    ...(await surplusOf(cloud, CLOUD_BUCKET, cloudTally, REPLICATED_ENTRIES)),
  ];
  return {
    edge: edgeTally,
    cloud: cloudTally,
    surplus,
    durationMs: performance.now() - startMs,
    holds: holds(edgeTally) && holds(cloudTally) && surplus.length === 0,
  };
}

/** The bucket's own account: no other entry, and as many records as the query gave out. */
async function surplusOf(
  instance: Instance,
  bucket: string,
  tally: Tally,
  entries: readonly string[],
): Promise<string[]> {
  const counts = await instance.client.entryCounts(bucket);
  const findings = [...counts.keys()]
    .filter((entry) => !entries.includes(entry))
    .map((entry) => `${instance.name}: entry '${entry}' should not be in bucket '${bucket}'`);
  const counted = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const read = tally.equal + tally.different + tally.unexpected;
  if (counted !== read) {
    findings.push(`${instance.name}: '${bucket}' counts ${counted} records, queries gave ${read}`);
  }
  return findings;
}
