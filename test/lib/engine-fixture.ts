/** The replication engine over a log fixture, with its workers in this thread and its task rows in memory. */
import { silentLogger } from '../../src/logging/logger.ts';
import { ReplicationEngine } from '../../src/replication/engine.ts';
import type { ReplicationPool } from '../../src/replication/messages.ts';
import type { WorkerOptions } from '../../src/replication/worker-options.ts';
import {
  DEFAULT_FRESH_FIRST,
  type FreshFirstLimits,
} from '../../src/replication/ranges/fresh-first.ts';
import { decodeRange, encodeRange } from '../../src/replication/ranges/range-codec.ts';
import type { RangeChange } from '../../src/replication/ranges/range-list.ts';
import {
  decodeCursor,
  decodeTask,
  encodeCursor,
  encodeTask,
  tokenForHost,
} from '../../src/replication/task-codec.ts';
import type {
  ReplicationSource,
  StoredTask,
  TaskProgress,
  TaskStore,
} from '../../src/replication/types.ts';
import type { WorkerRuntime } from '../../src/replication/worker-runtime.ts';
import { LetterStore } from '../../src/replication/letters/letter-store.ts';
import type { RocksDatabase } from '../../src/store/rocks.ts';
import type { RowChange } from '../../src/store/row-change.ts';
import type { DayUse } from '../../src/replication/budget/budget-plan.ts';
import { SecretKeys } from '../../src/secrets/secret-key.ts';
import { TokenVault } from '../../src/secrets/token-vault.ts';
import { LogFixture, type FixtureOptions, type FixtureRecord } from './log-fixture.ts';
import { newRuntime } from './slice-driver.ts';

/** A vault with this key in hex, and no file. */
export function newVault(keyText: string, oldKeyText?: string): TokenVault {
  return new TokenVault(new SecretKeys({ keyText, oldKeyText, keyPath: '/dev/null/none' }));
}

/** Dead letters kept per task. */
export const MAX_LETTERS = 20;

/** Rows as they would lie in the store, so that a restart sees what was encoded. */
export class MemoryTaskStore implements TaskStore {
  readonly tasks: Map<number, Buffer> = new Map();
  readonly cursors: Map<number, Buffer> = new Map();
  /** By task and range. A write puts another map in place, so that a copy of this one is a moment in time. */
  readonly ranges: Map<number, ReadonlyMap<number, Buffer>> = new Map();
  letters: LetterStore;
  readonly #commitRows: (rows: readonly RowChange[]) => Promise<void>;
  readonly #newLetters: () => LetterStore;
  readonly budgetUse: Map<number, DayUse> = new Map();
  /** Replace it to start with other keys. */
  vault: TokenVault = newVault('11'.repeat(32));
  /** While set, writes reject. */
  failure: Error | null = null;
  #nextId = 1;

  /** @param db takes the rows of dead letters. @param maxLetters kept per task. */
  constructor(db: RocksDatabase, maxLetters?: number) {
    const commitRows = async (rows: readonly RowChange[]): Promise<void> => {
      if (this.failure !== null) throw this.failure;
      const batch = db.batch();
      for (const { column, key, value } of rows) {
        if (value === null) batch.del(column, key);
        else batch.put(column, key, value);
      }
      batch.commit(false);
    };
    this.#commitRows = commitRows;
    this.#newLetters = () => new LetterStore(db, { commitRows }, maxLetters);
    this.letters = this.#newLetters();
  }

  /** As after a start: what is known of dead letters comes from their rows. */
  reopenLetters(): void {
    this.letters = this.#newLetters();
    this.letters.load();
  }

  load() {
    return [...this.tasks.values()].map((row) => {
      const { task, isStale } = decodeTask(row, this.vault);
      const cursor = this.cursors.get(task.id);
      if (cursor === undefined) throw new Error('task without cursor');
      const ranges = [...(this.ranges.get(task.id) ?? [])]
        .toSorted(([a], [b]) => a - b)
        .map(([, range]) => decodeRange(range));
      const budgetUse = this.budgetUse.get(task.id) ?? null;
      return { task, cursor: decodeCursor(cursor), ranges, budgetUse, isStale };
    });
  }

  allocateId(): number {
    return this.#nextId++;
  }

  async save(task: StoredTask, progress: TaskProgress): Promise<void> {
    await this.#write(task.id, progress, () => {
      this.tasks.set(task.id, encodeTask(task, this.vault));
    });
  }

  /** The rows are there at once: commits of others are not followed here. */
  rowsOf(task: StoredTask) {
    this.tasks.set(task.id, encodeTask(task, this.vault));
    return [];
  }

  async saveBudgetUse(taskId: number, use: DayUse): Promise<void> {
    if (this.failure !== null) throw this.failure;
    this.budgetUse.set(taskId, use);
  }

  tokenForHost(task: StoredTask, dstHost: string) {
    return tokenForHost(task, dstHost, this.vault);
  }

  async saveProgress(id: number, progress: TaskProgress): Promise<void> {
    await this.#write(id, progress, () => undefined);
  }

  async #write(
    id: number,
    { cursor, deadLetters, ranges }: TaskProgress,
    putOthers: () => void,
  ): Promise<void> {
    const added = this.letters.add(id, deadLetters);
    try {
      await this.#commitRows(added.rows);
      putOthers();
    } catch (error) {
      added.failed();
      throw error;
    }
    if (this.tasks.has(id)) this.#putRanges(id, ranges);
    if (this.tasks.has(id)) this.cursors.set(id, encodeCursor(cursor));
    added.done();
  }

  async remove(id: number): Promise<void> {
    await this.letters.removeAll(id, async (rows) => {
      this.tasks.delete(id);
      this.cursors.delete(id);
      this.ranges.delete(id);
      await this.#commitRows(rows);
    });
  }

  #putRanges(taskId: number, changes: readonly RangeChange[]): void {
    const rows = new Map(this.ranges.get(taskId));
    for (const { id, range } of changes) {
      if (range === null) rows.delete(id);
      else rows.set(id, encodeRange(range));
    }
    this.ranges.set(taskId, rows);
  }
}

/** Workers in this thread. Fails the test when a task is run twice at once. */
class LocalPool implements ReplicationPool {
  readonly #runtimes: readonly WorkerRuntime[];
  readonly #sending: Set<number> = new Set();

  constructor(runtimes: readonly WorkerRuntime[]) {
    this.#runtimes = runtimes;
  }

  async run(job: Parameters<ReplicationPool['run']>[0]) {
    const id = 'task' in job ? job.task.id : 0;
    const isSending = job.kind === 'send' || job.kind === 'resend';
    if (isSending) {
      if (this.#sending.has(id)) throw new Error(`task ${id} runs twice at once`);
      this.#sending.add(id);
    }
    try {
      const runtime = this.#runtimes[id % this.#runtimes.length];
      if (runtime === undefined) throw new Error('no runtime');
      // As a message would arrive: nothing but plain data and shared memory.
      return structuredClone(await runtime.run(structuredClone(job)));
    } finally {
      if (isSending) this.#sending.delete(id);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#runtimes.map((runtime) => runtime.close()));
  }
}

/** Makes the pool for one life of the engine. */
export type PoolFactory = (log: LogFixture) => ReplicationPool;

export interface SourceBucket {
  readonly id: number;
  readonly entries: Map<number, string>;
}

export class EngineFixture {
  readonly log: LogFixture;
  readonly store: MemoryTaskStore;
  readonly buckets: Map<string, SourceBucket> = new Map();
  /** Counts from the next restart on. */
  maxPendingRecords: number | null = null;
  readonly #options: Partial<WorkerOptions>;
  readonly #poolFactory: PoolFactory | undefined;
  readonly #freshFirst: FreshFirstLimits;
  #engine: ReplicationEngine;
  #pool: ReplicationPool;
  #nextBucketId = 1;
  #nextEntryId = 1;

  private constructor(
    log: LogFixture,
    options: Partial<WorkerOptions>,
    poolFactory: PoolFactory | undefined,
    freshFirst: FreshFirstLimits,
  ) {
    this.#freshFirst = freshFirst;
    this.log = log;
    this.store = new MemoryTaskStore(log.db, MAX_LETTERS);
    this.#options = options;
    this.#poolFactory = poolFactory;
    this.#pool = this.#newPool();
    this.#engine = this.#newEngine();
  }

  static async open(
    options: Partial<WorkerOptions> = {},
    logOptions: FixtureOptions = {},
    poolFactory?: PoolFactory,
    freshFirst: FreshFirstLimits = DEFAULT_FRESH_FIRST,
  ): Promise<EngineFixture> {
    const log = await LogFixture.open(logOptions);
    const fixture = new EngineFixture(log, options, poolFactory, freshFirst);
    fixture.addBucket('src');
    return fixture;
  }

  get engine(): ReplicationEngine {
    return this.#engine;
  }

  get service() {
    return this.#engine.service;
  }

  async close(): Promise<void> {
    await this.#engine.stop(0);
    await this.log.close();
  }

  /** Stops the engine in order (or cuts it off) and starts another one from the stored rows. */
  async restart(graceMs = 1000): Promise<void> {
    await this.#engine.stop(graceMs);
    this.store.reopenLetters();
    this.#pool = this.#newPool();
    this.#engine = this.#newEngine();
  }

  addBucket(name: string): void {
    this.buckets.set(name, { id: this.#nextBucketId++, entries: new Map() });
  }

  /** Appends one block without publishing it. */
  append(bucketName: string, entryName: string, records: readonly FixtureRecord[]): void {
    const bucket = this.#bucket(bucketName);
    this.log.append(bucket.id, this.entryId(bucketName, entryName), records);
    this.#dirty.add(bucket.id);
  }

  entryId(bucketName: string, entryName: string): number {
    const { entries } = this.#bucket(bucketName);
    for (const [id, name] of entries) if (name === entryName) return id;
    const id = this.#nextEntryId++;
    entries.set(id, entryName);
    return id;
  }

  readonly #dirty: Set<number> = new Set();

  /** What the commit path does after a commit. */
  commit(): void {
    this.log.publish();
    this.#engine.onCommitted(this.log.headSequence, new Set(this.#dirty));
    this.#dirty.clear();
  }

  /** Writes records with these timestamps as one block and commits it. */
  write(entryName: string, timestamps: readonly number[], labels: readonly string[] = []): void {
    const records = timestamps.map((ts) => ({
      ts: BigInt(ts),
      payload: Buffer.from(`${entryName}@${ts}`),
      labels,
    }));
    this.append('src', entryName, records);
    this.commit();
  }

  /** Gives a record of the block at this sequence other labels, and commits that. */
  relabel(bucketName: string, sequence: number, ts: number, labels: readonly string[]): void {
    this.log.relabel(sequence, BigInt(ts), labels);
    this.#dirty.add(this.#bucket(bucketName).id);
    this.commit();
  }

  async create(name: string, url: string, settings: object = {}): Promise<void> {
    const body = { src_bucket: 'src', dst_bucket: 'dst', dst_host: url, ...settings };
    await this.service.create(name, JSON.stringify(body));
  }

  async detail(name: string, isExtended = false) {
    return JSON.parse(await this.service.detail(name, isExtended));
  }

  async pending(name: string): Promise<number> {
    return (await this.detail(name)).info.pending_records;
  }

  #bucket(name: string): SourceBucket {
    const bucket = this.buckets.get(name);
    if (bucket === undefined) throw new Error(`no bucket ${name}`);
    return bucket;
  }

  #newPool(): ReplicationPool {
    if (this.#poolFactory !== undefined) return this.#poolFactory(this.log);
    const options = { lingerMs: 5, noProgressTimeoutMs: 2000, ...this.#options };
    return new LocalPool([newRuntime(this.log, options), newRuntime(this.log, options)]);
  }

  #newEngine(): ReplicationEngine {
    const source: ReplicationSource = {
      bucket: (name) => {
        const bucket = this.buckets.get(name);
        return bucket && { id: bucket.id, recordsWritten: this.log.recordsWritten(bucket.id) };
      },
      entryNames: (bucketId, afterId) => {
        const buckets = [...this.buckets.values()];
        const bucket = buckets.find(({ id }) => id === bucketId);
        return [...(bucket?.entries ?? [])].filter(([id]) => id > afterId);
      },
      entry: (entryId) => {
        for (const { entries } of this.buckets.values()) {
          const name = entries.get(entryId);
          if (name !== undefined) return { id: entryId, name };
        }
        return undefined;
      },
      findEntry: (bucketName, entryName) => {
        for (const [id, name] of this.buckets.get(bucketName)?.entries ?? []) {
          if (name === entryName) return { id };
        }
        return undefined;
      },
      highestEntryId: () => this.#nextEntryId - 1,
      headSequence: () => this.log.headSequence,
    };
    return new ReplicationEngine({
      pool: this.#pool,
      source,
      store: this.store,
      identity: { instanceId: 'test-instance', port: 8383, addresses: [], hostNames: [] },
      logger: silentLogger,
      freshFirst: this.#freshFirst,
      maxPendingRecords: this.maxPendingRecords,
    });
  }
}

/** Polls a condition over turns of the event loop, with a limit; for what has no event to wait for. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  limitMs = 60_000,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > endMs)
      throw new Error(`not so within ${limitMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
