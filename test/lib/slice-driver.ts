/** Runs slices of one task over a log fixture in this thread, and keeps the cursor between them as a scheduler would. */
import type { Position } from '../../src/catalog/positions.ts';
import type { FilterState } from '../../src/replication/filter-state.ts';
import type {
  CountResult,
  EntryNames,
  RangeScan,
  SendJob,
  SendResult,
} from '../../src/replication/messages.ts';
import {
  DEFAULT_WORKER_OPTIONS,
  type WorkerOptions,
} from '../../src/replication/worker-options.ts';
import type { ReplicationSettings } from '../../src/replication/settings.ts';
import { TaskLine } from '../../src/replication/task-line.ts';
import type { TargetInfo } from '../../src/replication/transfer/target-info.ts';
import { WorkerRuntime } from '../../src/replication/worker-runtime.ts';
import type { LogFixture } from './log-fixture.ts';

export const BUCKET = 7;

export function settingsFor(
  url: string,
  changes: Partial<ReplicationSettings> = {},
): ReplicationSettings {
  return {
    srcBucket: 'src',
    dstBucket: 'dst',
    dstHost: url,
    dstToken: null,
    lockedToken: null,
    unknownMembers: [],
    entries: [],
    dstPrefix: '',
    whenText: null,
    mode: 'enabled',
    compression: 'none',
    include: {},
    exclude: {},
    eachN: null,
    eachS: null,
    legacy: false,
    order: null,
    budget: null,
    ...changes,
  };
}

export function newRuntime(log: LogFixture, options: Partial<WorkerOptions> = {}): WorkerRuntime {
  return new WorkerRuntime(log.db, log.reader(), {
    ...DEFAULT_WORKER_OPTIONS,
    lingerMs: 0,
    ...options,
  });
}

export class SliceDriver {
  readonly runtime: WorkerRuntime;
  readonly line: TaskLine = new TaskLine();
  settings: ReplicationSettings;
  names: Map<number, string>;
  position: Position = { partition: 0, sequence: 1, bucketOrdinal: 0 };
  filterState: FilterState | null = null;
  stopSequence: number | null = null;
  resendSequence = 0;
  range: RangeScan | null = null;
  dropRecords = 0;
  namesEpoch = 0;
  isTargetAvailable = false;
  target: TargetInfo | null = null;
  results: SendResult[] = [];
  #entries: EntryNames | null = null;
  #id: number;

  constructor(
    runtime: WorkerRuntime,
    settings: ReplicationSettings,
    names: Map<number, string>,
    id = 1,
  ) {
    this.runtime = runtime;
    this.settings = settings;
    this.names = names;
    this.#id = id;
  }

  /** One slice; the cursor moves as its result says. */
  async slice(changes: Partial<SendJob> = {}): Promise<SendResult> {
    this.line.rearm();
    this.line.clearFigures();
    const result = await this.runtime.run({ ...this.#job(), ...changes });
    if (result.kind !== 'send') throw new Error('not a send result');
    this.results.push(result);
    this.position = result.position;
    this.filterState = structuredClone(result.filterState);
    this.isTargetAvailable = result.isTargetAvailable;
    this.target = structuredClone(result.target);
    this.resendSequence = Math.max(this.resendSequence, result.attemptedSequence);
    if (result.needsEntriesAfter !== null) this.#learn(result.needsEntriesAfter);
    return result;
  }

  /** Slices until nothing is left, however often the target fails. */
  async drain(maxSlices = 500): Promise<void> {
    for (let i = 0; i < maxSlices; i++) {
      const result = await this.slice();
      if (result.isCaughtUp && result.failure === null) return;
    }
    throw new Error(`not caught up after ${maxSlices} slices`);
  }

  async count(): Promise<CountResult> {
    const { kind: _, ...scan } = this.#job();
    for (;;) {
      const job = {
        ...scan,
        kind: 'count',
        budgetMs: 10_000,
        byEntryFrom: null,
        entries: this.#entries,
      } as const;
      const result = await this.runtime.run(job);
      if (result.kind !== 'count') throw new Error('not a count result');
      if (result.needsEntriesAfter === null) return result;
      this.#learn(result.needsEntriesAfter);
    }
  }

  #learn(afterId: number): void {
    const names = [...this.names].filter(([id]) => id > afterId);
    this.#entries = { names, knownUpTo: Math.max(0, ...this.names.keys()) };
  }

  #job(): SendJob {
    return {
      kind: 'send',
      task: { id: this.#id, version: 1, settings: this.settings, filtersUntil: null },
      bucketId: BUCKET,
      position: this.position,
      stopSequence: this.stopSequence,
      filterState: this.filterState,
      entries: this.#entries,
      namesEpoch: this.namesEpoch,
      line: this.line.buffer,
      isTargetAvailable: this.isTargetAvailable,
      target: this.target,
      probeFirst: false,
      resendSequence: this.resendSequence,
      range: this.range,
      isAwaited: false,
      budget: null,
      dropRecords: this.dropRecords,
    };
  }
}

/** A payload that tells which record it belongs to. */
export function payloadOf(entryId: number, ts: bigint, length: number): Buffer {
  return Buffer.alloc(length, `${entryId}:${ts};`);
}
