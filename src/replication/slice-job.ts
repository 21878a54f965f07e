/** The next slice of a task: of its live cursor, or of one of its ranges. */
import { BugError } from '../errors/errors.ts';
import { lowerStop, stopOf } from './log-ranges.ts';
import type { ReplicationPool, SendJob, SendResult } from './messages.ts';
import type { TaskRange } from './ranges/range.ts';
import { scanOf } from './ranges/range-turns.ts';
import { beginsWithProbe } from './retry-policy.ts';
import { failedResult } from './slice-report.ts';
import type { Task } from './task.ts';

/**
 * @param range `null`: the live cursor.
 * @param isBrief of a range: live records wait already.
 * @param dropRecords matching records that the live cursor has to give up.
 */
export function newSendJob(
  task: Task,
  bucketId: number,
  namesEpoch: number,
  range: TaskRange | null,
  isBrief: boolean,
  dropRecords = 0,
): SendJob {
  const { budget } = task.settings;
  const common = {
    kind: 'send',
    bucketId,
    entries: task.entries,
    namesEpoch,
    isTargetAvailable: task.isTargetAvailable,
    target: task.target,
    probeFirst: beginsWithProbe(task),
    budget: budget && task.budget.sliceBudget(budget),
  } as const;
  if (range === null) {
    const { position, filterState, resendSequence } = task;
    const spec = task.specAt(position.sequence);
    const stopSequence = lowerStop(stopOf(task.gaps), spec.filtersUntil);
    const isAwaited = task.ranges.next() !== undefined;
    const place = { position, filterState, resendSequence, stopSequence };
    const { line } = task;
    return {
      ...common,
      ...place,
      task: spec,
      line: line.buffer,
      range: null,
      isAwaited,
      dropRecords,
    };
  }
  const { position, filterState, end, kind } = range.stored;
  // Labels of records that the target has already are made equal: no update follows in a back-fill.
  const resendSequence = kind === 'backfill' ? 0 : range.resendSequence;
  return {
    ...common,
    task: task.spec,
    position,
    filterState,
    resendSequence,
    stopSequence: end.sequence,
    line: task.rangeLine.buffer,
    range: scanOf(range, isBrief),
    isAwaited: false,
    dropRecords: 0,
  };
}

/** Runs the job to its end; what cannot be run has a result, too. @param head sequence that the next block will get. */
export async function runSlice(
  pool: ReplicationPool,
  task: Task,
  job: SendJob,
  head: () => number,
): Promise<SendResult> {
  task.entries = null;
  task.sliceStartMs = performance.now();
  const closing = closingTimer(task);
  let result: SendResult;
  try {
    const answer = await pool.run(job);
    if (answer.kind !== 'send') throw new BugError(`job send answered with ${answer.kind}`);
    result = answer;
  } catch (error) {
    // What was sent by then, nobody knows.
    result = failedResult(job, error, head());
  }
  clearTimeout(closing);
  task.running = null;
  task.budget.used(
    job.task.settings.budget,
    result.counts.wireBytes,
    result.busyUntilMs,
    Date.now(),
  );
  task.budget.release();
  return result;
}

/** Cuts a slice off when the windows of its budget close; what was in flight is sent again when they open. */
function closingTimer(task: Task): NodeJS.Timeout | undefined {
  const { budget } = task.settings;
  const inMs = budget && task.budget.closesInMs(budget, Date.now());
  if (inMs === null) return undefined;
  return setTimeout(() => task.stopSlice(), inMs);
}
