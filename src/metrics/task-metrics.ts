/** Metrics of replication tasks. The label `task` is bounded by the number of tasks, `code` by the keys of diagnostics. */
import type { Registry } from 'prom-client';
import type { TaskFigures } from '../replication/service.ts';
import { unknownLosses } from '../replication/source-losses.ts';
import type { Sample } from './instruments.ts';
import { addCounter, addGauge } from './instruments.ts';

/** Where the figures come from. */
export interface TaskMetricsSource {
  /** Makes pending figures exact, within a second or so. */
  refreshMetrics(): Promise<void>;
  taskFigures(): readonly TaskFigures[];
}

interface TaskMetric {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge';
  readonly read: (figures: TaskFigures) => number;
}

const TASK_METRICS: readonly TaskMetric[] = [
  {
    name: 'millrace_task_pending_records',
    help: 'Matching records the target has not acknowledged.',
    kind: 'gauge',
    read: ({ pending }) => pending.records,
  },
  {
    name: 'millrace_task_pending_bytes',
    help: 'Content bytes of pending records.',
    kind: 'gauge',
    read: ({ pending }) => pending.bytes,
  },
  {
    name: 'millrace_task_backlog_segments',
    help: 'Parts of the log that a task with order newest has left behind and still has to send.',
    kind: 'gauge',
    read: ({ pending }) => pending.behind.backlogSegments,
  },
  {
    name: 'millrace_task_backlog_records',
    help: 'Records in these segments, before filters.',
    kind: 'gauge',
    read: ({ pending }) => pending.behind.backlogRecords,
  },
  {
    name: 'millrace_task_backfills',
    help: 'Back-fills that are running or paused.',
    kind: 'gauge',
    read: ({ pending }) => pending.behind.backfills,
  },
  {
    name: 'millrace_task_backfill_pending_records',
    help: 'Records these back-fills still have to look at, as estimated from the index.',
    kind: 'gauge',
    read: ({ pending }) => pending.behind.backfillRecords,
  },
  {
    name: 'millrace_task_lag_seconds',
    help: 'Age of the oldest commit the task has not answered for; 0 when it is caught up.',
    kind: 'gauge',
    read: ({ lagMs }) => lagMs / 1000,
  },
  {
    name: 'millrace_task_records_per_second',
    help: 'Records the target took, mean over the last minute.',
    kind: 'gauge',
    read: ({ rate }) => rate.recordsPerS,
  },
  {
    name: 'millrace_task_bytes_per_second',
    help: 'Content bytes of them.',
    kind: 'gauge',
    read: ({ rate }) => rate.bytesPerS,
  },
  {
    name: 'millrace_task_catch_up_seconds',
    help: 'Time until the task has caught up if it and its writers go on as in the last minute; +Inf when it does not get closer.',
    kind: 'gauge',
    read: ({ catchUpS }) => catchUpS ?? Number.POSITIVE_INFINITY,
  },
  {
    name: 'millrace_task_active',
    help: 'is_active of the API: 1 when the task runs and its target answered last time.',
    kind: 'gauge',
    read: ({ task }) => (task.isActive ? 1 : 0),
  },
  {
    name: 'millrace_task_sent_records_total',
    help: 'Records the target has acknowledged, including those it already had.',
    kind: 'counter',
    read: ({ sentRecords }) => sentRecords,
  },
  {
    name: 'millrace_task_sent_bytes_total',
    help: 'Content bytes of acknowledged records.',
    kind: 'counter',
    read: ({ sentBytes }) => sentBytes,
  },
  {
    name: 'millrace_task_batches_total',
    help: 'Requests the target has answered with success.',
    kind: 'counter',
    read: ({ task }) => task.totals.batches,
  },
  {
    name: 'millrace_task_duplicates_total',
    help: 'Acknowledged records the target already had.',
    kind: 'counter',
    read: ({ task }) => task.totals.duplicates,
  },
  {
    name: 'millrace_task_looped_records_total',
    help: 'Records that came from the target, and were not sent back.',
    kind: 'counter',
    read: ({ task }) => task.totals.looped,
  },
  {
    name: 'millrace_task_compression_in_bytes_total',
    help: 'Content bytes of requests that went out compressed.',
    kind: 'counter',
    read: ({ task }) => task.totals.plainBytes,
  },
  {
    name: 'millrace_task_compression_out_bytes_total',
    help: 'Bytes of the same requests after compression.',
    kind: 'counter',
    read: ({ task }) => task.totals.compressedBytes,
  },
  {
    name: 'millrace_task_wire_bytes_total',
    help: 'Bytes over the link of a task with a budget, in both directions; 0 without one.',
    kind: 'counter',
    read: ({ task }) => task.budget.totalBytes,
  },
  {
    name: 'millrace_task_budget_open',
    help: '0 when the budget of a task lets nothing go out now, by its windows or its bytes per day.',
    kind: 'gauge',
    read: ({ task }) => (isBudgetOpen(task) ? 1 : 0),
  },
  {
    name: 'millrace_task_retries_total',
    help: 'Attempts after a failure.',
    kind: 'counter',
    read: ({ task }) => task.totals.retries,
  },
  {
    name: 'millrace_task_dead_letters_total',
    help: 'Records the target refused for good, on their own.',
    kind: 'counter',
    read: ({ letters }) => letters.added,
  },
  {
    name: 'millrace_task_dead_letters',
    help: 'Dead letters on the list now.',
    kind: 'gauge',
    read: ({ letters }) => letters.current,
  },
  {
    name: 'millrace_task_dead_letters_queued',
    help: 'Dead letters that are to be sent again.',
    kind: 'gauge',
    read: ({ letters }) => letters.queued,
  },
  {
    name: 'millrace_task_dead_letters_discarded_total',
    help: 'Dead letters given up by somebody.',
    kind: 'counter',
    read: ({ letters }) => letters.discarded,
  },
  {
    name: 'millrace_task_dead_letters_aged_out_total',
    help: 'Dead letters given up because the task had too many.',
    kind: 'counter',
    read: ({ letters }) => letters.agedOut,
  },
  {
    name: 'millrace_task_removed_at_source_total',
    help: 'Records that were removed here before the task had seen them.',
    kind: 'counter',
    read: ({ task }) => task.removedAtSource,
  },
  {
    name: 'millrace_task_dropped_records_total',
    help: 'Records given up because more were pending than RS_REPLICATION_LOG_SIZE.',
    kind: 'counter',
    read: ({ task }) => task.droppedRecords,
  },
];

function isBudgetOpen({ settings, budget }: TaskFigures['task']): boolean {
  return settings.budget === null || budget.plan(settings.budget, Date.now()).state === 'open';
}

/** Registers the metrics of all tasks; values since the start or the last change of a task's settings. */
export function addTaskMetrics(registry: Registry, source: () => TaskMetricsSource): void {
  for (const { name, help, kind, read } of TASK_METRICS) {
    const add = kind === 'counter' ? addCounter : addGauge;
    add(registry, { name, help, labelNames: ['task'] }, () =>
      source()
        .taskFigures()
        .map((figures) => ({ labels: { task: figures.task.name }, value: read(figures) })),
    );
  }
  addCounter(
    registry,
    {
      name: 'millrace_task_failures_total',
      help: 'Failures by HTTP status of the target, or by the negative keys of the diagnostics.',
      labelNames: ['task', 'code'],
    },
    () => source().taskFigures().flatMap(failureSamples),
  );
  addCounter(
    registry,
    {
      name: 'millrace_task_dead_letters_retried_total',
      help: 'Dead letters sent again, by what became of them.',
      labelNames: ['task', 'outcome'],
    },
    () => source().taskFigures().flatMap(retrySamples),
  );
  addCounter(
    registry,
    {
      name: 'millrace_task_removed_at_source_by_cause_total',
      help: 'Records that were removed here before the task had seen them, by what removed them.',
      labelNames: ['task', 'cause'],
    },
    () => source().taskFigures().flatMap(lossSamples),
  );
}

function lossSamples({ task }: TaskFigures): Sample[] {
  const counts = task.losses.byCause(task.removedAtSource);
  const unknown = unknownLosses(task.removedAtSource, counts);
  return Object.entries({ ...counts, unknown }).map(([cause, value]) => ({
    labels: { task: task.name, cause },
    value,
  }));
}

function failureSamples({ task }: TaskFigures): Sample[] {
  return [...task.totals.failuresByKey].map(([key, value]) => ({
    labels: { task: task.name, code: String(key) },
    value,
  }));
}

/** `gone`: the source has the record no more. */
function retrySamples({ task, letters }: TaskFigures): Sample[] {
  const { delivered, refusedAgain, gone } = letters;
  const outcomes = {
    delivered,
    refused: refusedAgain,
    gone: gone.record_removed + gone.entry_removed,
  };
  return Object.entries(outcomes).map(([outcome, value]) => ({
    labels: { task: task.name, outcome },
    value,
  }));
}
