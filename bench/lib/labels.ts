/** The labels of a machine in use: mostly working, one sensor reading in a few out of order. */
export interface RecordLabels {
  readonly engine_status: string;
  readonly sensor_status: string;
}

/** Record `i` carries set `i mod 4`. */
export const LABEL_SETS: readonly RecordLabels[] = [
  { engine_status: 'working', sensor_status: 'ok' },
  { engine_status: 'working', sensor_status: 'ok' },
  { engine_status: 'idle', sensor_status: 'ok' },
  { engine_status: 'working', sensor_status: 'corrupted' },
];

/** A value of `engine_status` that no record carries. */
export const ABSENT_ENGINE_STATUS = 'never';
