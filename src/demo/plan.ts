/** What the demo sets up: buckets, sensors, the replication task and how labels vary over time. */

export type Labels = Readonly<Record<string, string>>;

/** A record as it is written and as it must be found again. */
export interface StoredRecord {
  readonly timestampUs: bigint;
  readonly contentType: string;
  readonly labels: Labels;
  readonly payload: Buffer;
}

export const EDGE_BUCKET = 'sensor-data';
export const CLOUD_BUCKET = 'remote-data';
export const TASK_NAME = 'edge-to-cloud';
export const SENSOR_ENTRIES: readonly string[] = ['sensor-1', 'sensor-2', 'sensor-3', 'sensor-4'];
export const REPLICATED_ENTRIES: readonly string[] = ['sensor-1'];
export const INCLUDE: Labels = { engine_status: 'working' };
export const EXCLUDE: Labels = { sensor_status: 'corrupted' };

/** 256 float32 samples a record. */
export const PAYLOAD_BYTES = 1024;
/** 80 record headers and those of the client stay below the 98 header lines that the server takes. */
export const BATCH_RECORDS = 80;
/** Not the default content type, so that the comparison notices when it gets lost. */
export const CONTENT_TYPE = 'application/x-float32';

/** The four label sets, made once: engine working or idle, sensor ok or corrupted. */
const LABEL_SETS = {
  working: {
    ok: Object.freeze({ engine_status: 'working', sensor_status: 'ok' }),
    corrupted: Object.freeze({ engine_status: 'working', sensor_status: 'corrupted' }),
  },
  idle: {
    ok: Object.freeze({ engine_status: 'idle', sensor_status: 'ok' }),
    corrupted: Object.freeze({ engine_status: 'idle', sensor_status: 'corrupted' }),
  },
};

const ENGINE_PERIOD_US = 2_600_000;
const ENGINE_WORKING_US = 1_800_000;
const SENSOR_PERIOD_US = 1_100_000;
const SENSOR_OK_US = 950_000;
/** Shifts the sensors against each other. */
const ENGINE_PHASE_US = 700_000;
const SENSOR_PHASE_US = 300_000;

/**
 * Labels of a sensor `elapsedUs` after the start: the engine works 1.8 s and idles 0.8 s, the sensor is corrupted for
 * 0.15 s of every 1.1 s, each sensor shifted. A pure function, so that the comparison can ask it again.
 */
export function labelsAt(sensorIndex: number, elapsedUs: number): Labels {
  const engineUs = (elapsedUs + sensorIndex * ENGINE_PHASE_US) % ENGINE_PERIOD_US;
  const sensorUs = (elapsedUs + sensorIndex * SENSOR_PHASE_US) % SENSOR_PERIOD_US;
  const engine = engineUs < ENGINE_WORKING_US ? LABEL_SETS.working : LABEL_SETS.idle;
  return sensorUs < SENSOR_OK_US ? engine.ok : engine.corrupted;
}

/**
 * Whether the replication task must deliver a record with these labels: all of INCLUDE is there and not all of EXCLUDE
 * (replication contract §2.4). The demo's own statement of the rule, on purpose not the server's code.
 */
export function mustBeReplicated(labels: Labels): boolean {
  return hasAll(labels, INCLUDE) && !hasAll(labels, EXCLUDE);
}

function hasAll(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}
