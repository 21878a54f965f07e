/**
 * Named places at which a test can end the process, as if the power button of the process had been pressed between two
 * lines. Without the variable a point costs one comparison.
 */

/** In the order in which a record meets them on its way to the target, then those of what people ask of tasks. */
export const CRASH_POINTS = [
  /** A chunk of a large record is in the store, the record is not. */
  'upload-chunk-written',
  /** A group is decided and in the WriteBatch, which is not written. */
  'commit-planned',
  /** The WriteBatch is written; nothing in memory has changed. */
  'commit-written',
  /** Figures, ring and listeners know; no writer was told. */
  'commit-published',
  /** Writers were told, their answers are not sent. */
  'commit-acknowledged',
  /** Changes of existing records (labels, removals, renames) are written; nobody was told. */
  'change-written',
  /** A batch is about to be sent. */
  'batch-ready',
  /** The target has answered for a batch; the slice has not taken it in. */
  'batch-answered',
  /** A slice has ended, its result is on its way to the main thread. */
  'slice-ended',
  /** The main thread knows the result; the cursor is not stored. */
  'result-taken',
  /** The main thread knows what a slice did of a range behind the live cursor; nothing of it is stored. */
  'range-taken',
  /** The cursor and the dead letters of a slice are stored. */
  'progress-stored',
  /** Rows of ranges are stored: their beginning, progress, end or cancellation. */
  'ranges-stored',
  /** A change of a task (settings, mode, back-fills) is stored; it has not taken effect, and nobody was told. */
  'task-changed',
  /** Targets have answered for dead letters that were sent again; nothing of it is stored. */
  'letters-answered',
  /** What became of these letters is stored; nobody knows in memory. */
  'letters-settled',
] as const;

export type CrashPoint = (typeof CRASH_POINTS)[number];

/** `<point>` or `<point>:<n>`: SIGKILL when a thread comes to the point for the n-th time (default 1). For tests. */
export const CRASH_VARIABLE = 'CRASH_POINT';

const [ARMED = '', PASSES = '1'] = (process.env[CRASH_VARIABLE] ?? '').split(':');
let passesLeft = Number(PASSES);

/** Ends the process here if it was asked for. From any thread. */
export function crashPoint(point: CrashPoint): void {
  if (ARMED === '' || point !== ARMED || --passesLeft > 0) return;
  process.kill(process.pid, 'SIGKILL');
  // The signal ends every thread; until then nothing more may happen in this one.
  for (;;);
}
