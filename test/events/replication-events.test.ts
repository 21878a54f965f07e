import { describe, expect, test } from 'vitest';
import { EventClock } from '../../src/events/event-clock.ts';
import { ReplicationEvents } from '../../src/events/replication-events.ts';
import type { SystemEvent } from '../../src/events/types.ts';
import { newTotals } from '../../src/replication/letters/letter.ts';
import type { TaskFigures } from '../../src/replication/service.ts';
import { parseSettings } from '../../src/replication/settings.ts';
import { Task } from '../../src/replication/task.ts';
import type { TaskCursor } from '../../src/replication/types.ts';

const CURSOR: TaskCursor = {
  position: { partition: 0, sequence: 1, bucketOrdinal: 0 },
  bucketId: 1,
  gaps: [],
  pastFilters: [],
  filterState: null,
  removedAtSource: 0,
  droppedRecords: 0,
};

function newTask(name: string, srcBucket = 'data'): Task {
  const body = { src_bucket: srcBucket, dst_bucket: 'copy', dst_host: 'http://target' };
  const stored = { id: 1, name, settings: parseSettings(body, 'create', null) };
  return new Task(stored, CURSOR, () => 0);
}

/** What the end of a slice does to the counters. */
function succeed(task: Task, records: number, atMs: number): void {
  task.totals.sentRecords += records;
  task.totals.sentBytes += records * 10;
  task.totals.busyMs += 250;
  task.lastSuccessMs = atMs;
}

function fail(task: Task, key: number, message: string, atMs: number): void {
  task.totals.failuresByKey.set(key, (task.totals.failuresByKey.get(key) ?? 0) + 1);
  task.totals.busyMs += 50;
  task.fail(key, message, atMs);
}

interface Harness {
  readonly followed: ReplicationEvents;
  readonly events: SystemEvent[];
  readonly tasks: Task[];
}

function follow(...tasks: Task[]): Harness {
  const events: SystemEvent[] = [];
  const figures = (): TaskFigures[] =>
    tasks.map((task) => ({
      task,
      pending: {
        records: 7,
        bytes: 70,
        isExact: true,
        behind: { backlogSegments: 1, backlogRecords: 3, backfills: 1, backfillRecords: 2 },
      },
      lagMs: 0,
      rate: { recordsPerS: 0, bytesPerS: 0 },
      catchUpS: 7,
      sentRecords: 0,
      sentBytes: 0,
      letters: { ...newTotals(), current: 0, queued: 0 },
    }));
  const followed = new ReplicationEvents({
    figures,
    clock: new EventClock(() => 1_000),
    sink: { emit: (event) => events.push(event) },
  });
  return { followed, events, tasks };
}

describe('results of a task', () => {
  test('of one status are one event once nothing new comes for 5 s', () => {
    const task = newTask('to-cloud');
    const { followed, events } = follow(task);
    succeed(task, 3, 1);
    followed.tick(0);
    succeed(task, 4, 2);
    followed.tick(4_000);
    followed.tick(8_999);
    expect(events).toEqual([]);
    followed.tick(9_000);
    expect(events).toEqual([
      {
        family: 'replications',
        name: 'to-cloud',
        timestampUs: 1_000_000,
        status: 200,
        message: '',
        fields: {
          pending_records: 7,
          written_records: 7,
          failed_records: 0,
          replicated_data_size: 70,
          duration: 0.5,
          pending_bytes: 70,
          lag_seconds: 0,
          catch_up_seconds: 7,
          backlog_records: 3,
          backfills: 1,
          backfill_records: 2,
        },
      },
    ]);
    followed.tick(60_000);
    expect(events).toHaveLength(1);
  });

  test('are told at the latest after 60 s', () => {
    const task = newTask('to-cloud');
    const { followed, events } = follow(task);
    for (let nowMs = 0; nowMs <= 60_000; nowMs += 500) {
      succeed(task, 1, nowMs);
      followed.tick(nowMs);
    }
    expect(events.map(({ fields }) => fields['written_records'])).toEqual([121]);
  });

  test('of another status end the sum before, and carry the code as it is and the message', () => {
    const task = newTask('to-cloud');
    const { followed, events } = follow(task);
    succeed(task, 2, 1);
    followed.tick(0);
    fail(task, -3, 'ECONNREFUSED', 2);
    followed.tick(250);
    expect(events.map(({ status }) => status)).toEqual([200]);
    succeed(task, 1, 3);
    followed.tick(500);
    expect(events[1]).toMatchObject({ status: -3, message: 'ECONNREFUSED' });
    expect(events[1]?.fields).toMatchObject({ written_records: 0, failed_records: 1 });
    followed.flushAll(600);
    expect(events.map(({ status }) => status)).toEqual([200, -3, 200]);
  });

  test('of several statuses between two looks are told apart', () => {
    const task = newTask('to-cloud');
    const { followed, events } = follow(task);
    fail(task, 503, 'busy', 1);
    succeed(task, 5, 2);
    followed.tick(0);
    followed.flushAll(1);
    expect(events.map(({ status }) => status)).toEqual([503, 200]);
  });

  test('begin anew with new settings', () => {
    const task = newTask('to-cloud');
    const { followed, events } = follow(task);
    succeed(task, 100, 1);
    followed.tick(0);
    task.changeSettings(task.settings, () => 0);
    succeed(task, 1, 2);
    followed.tick(250);
    followed.flushAll(300);
    expect(events.map(({ fields }) => fields['written_records'])).toEqual([101]);
  });

  test('are told when the task is removed', () => {
    const { followed, events, tasks } = follow(newTask('to-cloud'));
    const [task] = tasks;
    if (task !== undefined) succeed(task, 1, 1);
    followed.tick(0);
    tasks.length = 0;
    followed.tick(250);
    expect(events).toHaveLength(1);
  });

  test('of a task that sends $system are not events: each would be a record for it to send', () => {
    const task = newTask('events', '$system');
    const { followed, events } = follow(task);
    succeed(task, 1, 1);
    followed.tick(0);
    followed.flushAll(10_000);
    expect(events).toEqual([]);
  });
});
