/**
 * Histories of one task whose slices end while changes of it are on their way into the store, in every order in which
 * commits can come, fail, or be cut off by a crash. What lies in the store is looked at after each commit.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Position } from '../../src/catalog/positions.ts';
import { silentLogger } from '../../src/logging/logger.ts';
import { BackfillService } from '../../src/replication/ranges/backfill-service.ts';
import type { StoredRange } from '../../src/replication/ranges/range.ts';
import { parseSettings } from '../../src/replication/settings.ts';
import { Task } from '../../src/replication/task.ts';
import { TaskChanges } from '../../src/replication/task-changes.ts';
import { TaskLocks } from '../../src/replication/task-locks.ts';
import { TaskWriter } from '../../src/replication/task-writer.ts';
import type {
  DeadLetter,
  StoredTask,
  TaskCursor,
  TaskProgress,
} from '../../src/replication/types.ts';

const BUCKET_ID = 7;

const at = (sequence: number): Position => ({
  partition: 0,
  sequence,
  bucketOrdinal: sequence,
});

/** State of filters that were made under these settings. */
const stateUnder = (eachN: number | null) => ({
  sampling: new Map([[0, { count: eachN ?? 0, lastTs: null }]]) as never,
  condition: new Map(),
});

function letterOf(ts: number): DeadLetter {
  return {
    entryId: 1,
    entryName: 'e',
    ts: BigInt(ts),
    kind: 'write',
    reason: 'refused',
    status: 422,
    message: '',
    lengthBytes: 1,
    refusedAtMs: 0,
    attempts: 1,
  };
}

function bodyOf(changes: object): string {
  const body = { src_bucket: 'src', dst_bucket: 'dst', dst_host: 'http://127.0.0.1:1/' };
  return JSON.stringify({ ...body, ...changes });
}

interface Write {
  readonly task: StoredTask | null;
  readonly progress: TaskProgress;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Rows of one task; writes wait until the test commits them. */
class ManualStore {
  readonly waiting: Write[] = [];
  readonly letters: Set<number> = new Set();
  readonly ranges: Map<number, StoredRange> = new Map();
  task: StoredTask;
  cursor: TaskCursor;

  constructor(task: StoredTask, cursor: TaskCursor) {
    this.task = task;
    this.cursor = cursor;
  }

  save(task: StoredTask, progress: TaskProgress): Promise<void> {
    return this.#stage(task, progress);
  }

  saveProgress(_id: number, progress: TaskProgress): Promise<void> {
    return this.#stage(null, progress);
  }

  saveBudgetUse(): Promise<void> {
    return Promise.resolve();
  }

  allocateId(): number {
    return 2;
  }

  rowsOf(): [] {
    return [];
  }

  remove(): Promise<void> {
    return Promise.resolve();
  }

  /** All that waits is one group. */
  async commit(): Promise<void> {
    const group = this.waiting.splice(0);
    for (const { task, progress } of group) {
      if (task !== null) this.task = structuredClone(task);
      this.cursor = structuredClone(progress.cursor);
      for (const { ts } of progress.deadLetters) this.letters.add(Number(ts));
      for (const { id, range } of progress.ranges) {
        if (range === null) this.ranges.delete(id);
        else this.ranges.set(id, structuredClone(range));
      }
    }
    for (const { resolve } of group) resolve();
    await settle();
  }

  async fail(): Promise<void> {
    for (const { reject } of this.waiting.splice(0)) reject(new Error('disk full'));
    await settle();
  }

  #stage(task: StoredTask | null, progress: TaskProgress): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ task, progress, resolve, reject });
    });
  }
}

/** Everything that follows from what has just been settled. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

type Step =
  | { readonly do: 'slice'; readonly blocks: number; readonly refused: readonly number[] }
  | { readonly do: 'range-slice'; readonly blocks: number; readonly isRefused: boolean }
  | { readonly do: 'mode'; readonly mode: 'enabled' | 'paused' | 'disabled' }
  | { readonly do: 'put'; readonly eachN: number }
  | { readonly do: 'backfill' | 'cancel' | 'commit' | 'fail' };

/** A record that the target refused. */
interface Refused {
  readonly ts: number;
  readonly sequence: number;
  /** The range that it was read for; `null`: the live cursor. */
  readonly rangeId: number | null;
}

class History {
  readonly store: ManualStore;
  readonly task: Task;
  readonly #writer: TaskWriter;
  readonly #changes: TaskChanges;
  readonly #backfills: BackfillService;
  readonly #running: Set<Promise<void>> = new Set();
  readonly #refused: Refused[] = [];
  readonly #cancelled: Set<number> = new Set();
  #head = 10;
  /** What was answered with success last, in the order of the answers. */
  #acknowledged: { mode: string; eachN: number | null } = { mode: 'enabled', eachN: null };

  constructor() {
    const settings = parseSettings(JSON.parse(bodyOf({})), 'create', null);
    const stored = { id: 1, name: 't', settings };
    const cursor: TaskCursor = {
      position: at(0),
      bucketId: BUCKET_ID,
      gaps: [],
      pastFilters: [],
      filterState: null,
      removedAtSource: 0,
      droppedRecords: 0,
    };
    this.task = new Task(stored, cursor, Date.now);
    this.store = new ManualStore(stored, this.task.cursor);
    this.#writer = new TaskWriter(this.store, silentLogger);
    const locks = new TaskLocks();
    const scheduler = {
      headOf: () => ({ bucketId: BUCKET_ID, position: at(this.#head) }),
      bucketEnd: () => at(this.task.position.sequence),
      changed: (task: Task) => {
        task.isHeld = false;
        this.#writer.save(task);
      },
      recheck: () => undefined,
      add: () => undefined,
      hold: async (task: Task) => {
        task.isHeld = true;
        await this.#writer.settled([task]);
      },
      remove: () => Promise.resolve(),
    };
    const existing = (): Task => this.task;
    const common = { locks, scheduler, writer: this.#writer, existing };
    this.#backfills = new BackfillService({ ...common, nowMs: () => 0 });
    this.#changes = new TaskChanges({
      ...common,
      tasks: new Map([['t', this.task]]),
      store: this.store,
      source: { bucket: () => ({ id: BUCKET_ID, recordsWritten: this.#head }) },
      identity: { instanceId: 'i', port: 1, addresses: [], hostNames: [] },
      comparisons: { interrupt: () => Promise.resolve() },
      logger: silentLogger,
      certificateProblem: undefined,
    });
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'slice':
        this.#slice(step.blocks, step.refused);
        break;
      case 'range-slice':
        this.#rangeSlice(step.blocks, step.isRefused);
        break;
      case 'mode':
        this.#change(this.#changes.setMode('t', JSON.stringify({ mode: step.mode })), () => {
          this.#acknowledged = { ...this.#acknowledged, mode: step.mode };
        });
        break;
      case 'put': {
        const { eachN } = step;
        // Modes are changed by their own route here: which of both came last is in the hands of the locks.
        const body = { each_n: eachN, mode: this.task.mode };
        const { mode } = body;
        this.#change(this.#changes.update('t', bodyOf(body)), () => {
          this.#acknowledged = { eachN, mode };
        });
        break;
      }
      case 'backfill':
        this.#change(this.#backfills.create('t', '{}'), () => undefined);
        break;
      case 'cancel': {
        const running = this.task.ranges.backfills().find(({ isUnfinished }) => isUnfinished);
        if (running === undefined) return;
        const { id } = running.stored;
        this.#change(this.#backfills.cancel('t', `${id}`), () => this.#cancelled.add(id));
        break;
      }
      case 'commit':
        return this.store.commit();
      case 'fail':
        return this.store.fail();
    }
    await settle();
  }

  /** Commits until nothing waits. */
  async drain(): Promise<void> {
    this.#writer.save(this.task);
    for (let i = 0; this.store.waiting.length + this.#running.size > 0; i++) {
      if (i > 1000) throw new Error('writes never come to an end');
      await this.store.commit();
      this.check();
    }
  }

  /** What a process that starts now would find. */
  check(): void {
    const { store } = this;
    const { cursor, task, ranges, letters } = store;
    const lost = this.#refused.filter(({ ts, sequence, rangeId }) => {
      const passed =
        rangeId === null ? cursor.position.sequence : ranges.get(rangeId)?.position.sequence;
      return sequence < (passed ?? 0) && !letters.has(ts);
    });
    expect(lost, 'records behind a stored cursor without their letters').toEqual([]);
    const isOpen = cursor.gaps.at(-1)?.resume === null;
    expect(isOpen, `open gap of a task that is ${task.settings.mode}`).toBe(
      task.settings.mode === 'disabled',
    );
    for (const state of [cursor, ...ranges.values()].map(({ filterState }) => filterState)) {
      if (state !== null) expect(state).toEqual(stateUnder(task.settings.eachN));
    }
    for (const id of this.#cancelled) expect(ranges.get(id)?.state).not.toBe('running');
  }

  /** When nothing waits any more. */
  checkEnd(): void {
    const { mode, eachN } = this.store.task.settings;
    expect({ mode, eachN }).toEqual(this.#acknowledged);
    expect(this.task.settings).toEqual(this.store.task.settings);
    expect(this.store.cursor).toEqual(this.task.cursor);
    expect(this.store.letters.size).toBe(this.#refused.length);
    const rows = this.task.ranges.all().map(({ stored }) => stored);
    expect([...this.store.ranges.values()]).toEqual(rows);
  }

  #slice(blocks: number, refused: readonly number[]): void {
    const { task } = this;
    if (task.isHeld || task.mode === 'disabled') return;
    const from = task.position.sequence;
    const to = from + blocks;
    this.#head = Math.max(this.#head, to + 1);
    const gone = refused.map((offset) => from + (offset % blocks));
    this.#refuse([...new Set(gone)], null);
    task.position = at(to);
    task.filterState = stateUnder(task.settings.eachN);
    this.#writer.save(task);
  }

  #rangeSlice(blocks: number, isRefused: boolean): void {
    const { task } = this;
    const range = task.ranges.backfills().find(({ stored }) => stored.state === 'running');
    if (task.isHeld || range === undefined) return;
    const from = range.stored.position.sequence;
    const to = Math.min(from + blocks, range.stored.end.sequence);
    if (isRefused && to > from) this.#refuse([from], range.stored.id);
    const position = at(to);
    const filterState = stateUnder(task.settings.eachN);
    task.ranges.change(range, { isPlanned: true, position, filterState }, 0);
    this.#writer.save(task);
  }

  #refuse(sequences: readonly number[], rangeId: number | null): void {
    for (const sequence of sequences) {
      const ts = this.#refused.length;
      this.#refused.push({ ts, sequence, rangeId });
      this.task.unsavedLetters = [...this.task.unsavedLetters, letterOf(ts)];
    }
  }

  #change(change: Promise<unknown>, acknowledged: () => void): void {
    const running: Promise<void> = change
      .then(acknowledged, () => undefined)
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('slice' as const),
      blocks: fc.integer({ min: 1, max: 5 }),
      refused: fc.array(fc.nat(4), { maxLength: 2 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('range-slice' as const),
      blocks: fc.integer({ min: 1, max: 9 }),
      isRefused: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('mode' as const),
      mode: fc.constantFrom('enabled' as const, 'paused' as const, 'disabled' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      eachN: fc.integer({ min: 1, max: 9 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'backfill' as const,
        'cancel' as const,
        'commit' as const,
        'commit' as const,
        'commit' as const,
        'fail' as const,
      ),
    }),
  },
);

describe('what is stored of a task', () => {
  test('is right at every moment, however changes, progress, failures and crashes come together', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
        const history = new History();
        for (const one of steps) {
          await history.take(one);
          history.check();
        }
        await history.drain();
        // What came with the last changes.
        await history.drain();
        history.checkEnd();
      }),
      { numRuns: 150 },
    );
  });
});
