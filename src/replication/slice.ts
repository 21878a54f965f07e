/**
 * One slice of one task: scan, send, wait for answers, until the time is over, nothing is left, a request fails, or the
 * main thread stops it. Runs in workers; any number of slices of different tasks share a thread.
 */
import { setImmediate as yieldToLoop } from 'node:timers/promises';
import { crashPoint } from '../crash/crash-points.ts';
import { HeadPace } from './head-pace.ts';
import type { SendJob, SendResult, SliceFailure } from './messages.ts';
import type { WorkerOptions } from './worker-options.ts';
import { OpenWindows, type OpenWindow } from './open-windows.ts';
import type { RingWatcher } from './ring-watcher.ts';
import type { Batch } from './scan/batch.ts';
import type { WindowLimits } from './scan/window-scan.ts';
import type { Window } from './scan/window.ts';
import { type ScanContext, WindowSource } from './scan/window-source.ts';
import { placeOf } from './replication-path.ts';
import { contactTarget } from './slice-contact.ts';
import { SliceCounter } from './slice-counts.ts';
import { Pacer } from './budget/pacer.ts';
import { TaskLine } from './task-line.ts';
import { sharedName, type TaskSession } from './task-sessions.ts';
import { STOPPED } from './transfer/failure.ts';
import { Lanes } from './transfer/lanes.ts';
import type { BodyCompressor } from './transfer/compression.ts';
import { KnownTarget, type KnownTargetOptions } from './transfer/known-target.ts';
import type { BatchOutcome } from './transfer/send-result.ts';
import { Sender } from './transfer/sender.ts';
import { StoreSource } from './transfer/store-source.ts';
import { RequestGroup } from './transfer/exchange.ts';
import type { TargetClient } from './transfer/target-client.ts';
import type { DeadLetter } from './types.ts';
import { Wakeup } from './wakeup.ts';

/**
 * For this share of its time a slice goes on to send what it has read: a quick target takes all of it meanwhile, a slow one
 * does not keep the slice from telling how far it has come.
 */
const SEND_READ_SHARE = 0.4;

/** What all slices of a thread share. */
export interface SliceContext {
  readonly scan: ScanContext;
  readonly watcher: RingWatcher;
  readonly options: WorkerOptions;
  readonly compressor: BodyCompressor;
  readonly nowMs: () => number;
}

interface PendingBatch {
  readonly batch: Batch;
  readonly open: OpenWindow;
}

const REMOVED_TEXT = 'records not found: they were removed here before they were sent';

export class Slice {
  readonly #context: SliceContext;
  readonly #job: SendJob;
  readonly #session: TaskSession;
  readonly #client: TargetClient;
  readonly #line: TaskLine;
  readonly #source: WindowSource;
  readonly #known: KnownTarget;
  readonly #sender: Sender;
  readonly #windows: OpenWindows;
  readonly #lanes: Lanes<PendingBatch> = new Lanes();
  readonly #wakeup: Wakeup = new Wakeup();
  readonly #group: RequestGroup = new RequestGroup();
  readonly #counter: SliceCounter = new SliceCounter();
  readonly #pace: HeadPace = new HeadPace();
  readonly #deadLetters: DeadLetter[] = [];
  /** No window is opened from then on. */
  readonly #endMs: number;
  /** No window is begun from then on. */
  readonly #lastStartMs: number;
  /** `null`: the link is not limited. */
  readonly #pacer: Pacer | null;
  /** `null`: whole blocks, as many as serve throughput best. */
  readonly #windowLimits: WindowLimits | null;
  #inFlight = 0;
  #isCaughtUp = false;
  #isTargetAvailable: boolean;
  #failure: SliceFailure | null = null;
  #needsEntriesAfter: number | null = null;
  /** A window was opened, a request was made. */
  #hasOpened = false;
  #hasStarted = false;
  #nextScanMs = 0;
  #lastWorkMs: number;

  constructor(context: SliceContext, job: SendJob, session: TaskSession, client: TargetClient) {
    const { scan, options, nowMs } = context;
    const { bucketId, position, filterState, stopSequence, task, range } = job;
    const { filter, limits } = session;
    // Not what is for this task only, nor ranges: the live cursor to share with is elsewhere.
    const { dropRecords } = job;
    const isShared = range === null && job.budget === null && dropRecords === 0;
    const signature = isShared ? sharedName(session) : null;
    const { dstPrefix, dstBucket } = task.settings;
    this.#context = context;
    this.#job = job;
    this.#session = session;
    this.#client = client;
    this.#line = new TaskLine(job.line);
    this.#windows = new OpenWindows(position, filterState);
    this.#isTargetAvailable = job.isTargetAvailable;
    this.#known = new KnownTarget(knownOptions(job, options.instanceId), job.target);
    this.#lastWorkMs = nowMs();
    this.#endMs = this.#lastWorkMs + options.sliceMs;
    this.#lastStartMs = this.#endMs + options.sliceMs * SEND_READ_SHARE;
    this.#pacer = job.budget && new Pacer(job.budget, () => Date.now());
    this.#windowLimits =
      job.budget === null
        ? range && { maxRecords: range.windowRecords, cut: null }
        : {
            maxRecords: limits.maxRecords,
            cut: { maxBytes: limits.maxBytes, isSingleEntry: false },
          };
    const scope = { bucketId, filter, dstPrefix, stopSequence, range, dropRecords };
    const settings = { ...scope, limits, signature, window: this.#windowLimits ?? undefined };
    this.#source = new WindowSource(scan, settings);
    this.#sender = new Sender({
      client,
      bucketName: dstBucket,
      records: new StoreSource(scan.log.store, scan.metas, limits),
      isUpdateOnly: filter.isSampling,
      group: this.#group,
      memory: session.memory,
      compressor: context.compressor,
      known: this.#known,
      counter: this.#counter,
      resendSequence: job.resendSequence,
      nowMs: () => Date.now(),
    });
  }

  /** Never rejects for what a target or a network does. */
  async run(): Promise<SendResult> {
    const { watcher } = this.#context;
    const raise = (): void => this.#wakeup.raise();
    this.#session.filter.restore(this.#job.filterState);
    void this.#followStopWord();
    watcher.add(raise);
    try {
      this.#failure = await this.#contact();
      if (this.#failure === null) {
        this.#isTargetAvailable = true;
        await this.#loop();
      }
    } finally {
      watcher.remove(raise);
      this.#line.release();
    }
    crashPoint('slice-ended');
    return this.#result();
  }

  async #followStopWord(): Promise<void> {
    await this.#line.whenAsked();
    if (this.#line.makesWay() && !this.#line.isStopped()) {
      this.#wakeup.raise();
      await this.#line.whenStopped();
    }
    if (!this.#line.isStopped()) return;
    this.#fail(STOPPED);
    this.#group.abort(new DOMException('The task was stopped', 'AbortError'));
  }

  async #contact(): Promise<SliceFailure | null> {
    if (this.#line.isStopped()) return STOPPED;
    if (this.#job.isTargetAvailable) return null;
    const { options } = this.#context;
    const failure = await contactTarget(this.#job, options, this.#client, this.#group, this.#known);
    if (failure === null || this.#line.isStopped()) return failure === null ? null : STOPPED;
    this.#counter.countError(failure.key, failure.message, 1);
    return failure;
  }

  async #loop(): Promise<void> {
    for (;;) {
      const opened = this.#openNext();
      this.#startReady();
      if (opened) {
        // One window a turn: requests, answers and the slices of other tasks get theirs between.
        await yieldToLoop();
        continue;
      }
      const waitMs = this.#waitMs();
      if (waitMs === 'end') return;
      await this.#wakeup.wait(waitMs);
    }
  }

  /** How long to wait for the next event in ms (`null`: no limit), or `end` when the slice is over. */
  #waitMs(): number | null | 'end' {
    const nowMs = this.#context.nowMs();
    const mayOpen = this.#mayOpen(nowMs);
    const paceMs = this.#pacer?.waitMs() ?? 0;
    if (this.#inFlight === 0 && paceMs > 0 && this.#failure === null) {
      return this.#windows.hasStarted || this.#pacer?.isOver() !== true ? Math.ceil(paceMs) : 'end';
    }
    if (this.#inFlight > 0) {
      if (paceMs > 0) return Math.ceil(paceMs);
      return mayOpen && this.#nextScanMs > nowMs ? this.#scanWaitMs(nowMs) : null;
    }
    if (!mayOpen || !this.#isCaughtUp || this.#job.stopSequence !== null) return 'end';
    const lingerMs = this.#job.isAwaited ? 0 : this.#context.options.lingerMs;
    const leftMs = Math.min(this.#lastWorkMs + lingerMs, this.#endMs) - nowMs;
    if (leftMs <= 0) return 'end';
    return this.#nextScanMs > nowMs ? Math.min(leftMs, this.#scanWaitMs(nowMs)) : leftMs;
  }

  #scanWaitMs(nowMs: number): number {
    return Math.max(1, this.#nextScanMs - nowMs);
  }

  #mayOpen(nowMs: number): boolean {
    if (this.#failure !== null || this.#needsEntriesAfter !== null) return false;
    if (this.#pacer?.isOver() === true || this.#pacer?.isFull() === true) return false;
    // Whoever has to make way gets on by a window all the same.
    return nowMs < this.#endMs && !(this.#hasOpened && this.#line.makesWay());
  }

  /** @returns whether there may be more to open right away. */
  #openNext(): boolean {
    const nowMs = this.#context.nowMs();
    if (!this.#mayOpen(nowMs) || nowMs < this.#nextScanMs) return false;
    this.#dropStale();
    if (!this.#windows.hasRoom) return false;
    const window = this.#nextWindow();
    this.#isCaughtUp = window === undefined;
    if (window === undefined) return false;
    const open = this.#windows.open(window);
    this.#hasOpened = true;
    this.#needsEntriesAfter = window.needsEntriesAfter;
    if (open !== undefined) {
      for (const batch of window.batches) this.#lanes.push(batch.entryId, { batch, open });
      this.#pacer?.reserve(window.batches);
    }
    if (window.to.bucketOrdinal !== window.from.bucketOrdinal) this.#lastWorkMs = nowMs;
    this.#showOpened(window, 1);
    // A shared window may have ended at an older head.
    const { scan } = this.#context;
    this.#isCaughtUp = window.end === 'stop' || window.to.sequence >= scan.log.head();
    if (this.#isCaughtUp) this.#nextScanMs = this.#pace.restUntil(window, nowMs);
    return !this.#isCaughtUp;
  }

  /** Where bytes count, several batches are opened together only if they all fit: what is opened is finished. */
  #nextWindow(): Window | undefined {
    let window = this.#source.next(this.#windows.scanned);
    const { maxRecords, cut } = this.#windowLimits ?? {};
    if (this.#pacer === null || maxRecords === undefined || cut === undefined) return window;
    for (let records = maxRecords; records > 0; records >>= 1) {
      if (window === undefined || window.batches.length < 2) break;
      if (this.#pacer.fits(window.batches)) break;
      this.#source.takeBack(window);
      this.#session.filter.restore(this.#windows.scannedState);
      const narrow = { maxRecords: records, cut: cut && { ...cut, isSingleEntry: true } };
      window = this.#source.next(this.#windows.scanned, narrow);
    }
    return window;
  }

  /** A window that ended at the head and waits for its entries is scanned again, larger, when the log has grown. */
  #dropStale(): void {
    const last = this.#windows.lastUnstarted();
    if (last?.end !== 'head' || this.#context.scan.log.head() === last.to.sequence) return;
    const { window } = last;
    for (const { entryId } of window.batches) this.#lanes.unpush(entryId);
    this.#windows.dropLast();
    this.#pacer?.release(window.batches);
    this.#source.takeBack(window);
    this.#session.filter.restore(this.#windows.scannedState);
    this.#showOpened(window, -1);
  }

  #showOpened({ records, bytes, droppedRecords }: Window, sign: 1 | -1): void {
    this.#line.add('matchedRecords', sign * (records + droppedRecords));
    this.#line.add('matchedBytes', sign * bytes);
    this.#line.add('openRecords', sign * records);
    this.#line.add('openBytes', sign * bytes);
    const { sequence, bucketOrdinal } = this.#windows.scanned;
    this.#line.set('scannedSequence', sequence);
    this.#line.set('scannedOrdinal', bucketOrdinal);
    this.#line.set('answeredSequence', this.#windows.position.sequence);
  }

  #startReady(): void {
    while (this.#failure === null && this.#inFlight < this.#context.options.concurrency) {
      if (this.#pacer !== null && this.#pacer.waitMs() > 0) return;
      const pending = this.#lanes.take();
      if (pending === undefined) return;
      // Windows that are begun are finished, others are left to the next slice, which has to read and encode them again.
      if (!pending.open.isStarted && this.#hasToEnd()) continue;
      this.#hasStarted = true;
      this.#windows.start(pending.open);
      this.#inFlight++;
      void this.#send(pending);
    }
  }

  #hasToEnd(): boolean {
    if (this.#context.nowMs() >= this.#lastStartMs || this.#pacer?.isOver() === true) return true;
    return this.#hasStarted && this.#line.makesWay();
  }

  async #send({ batch, open }: PendingBatch): Promise<void> {
    let outcome: BatchOutcome;
    this.#pacer?.begin(batch);
    try {
      crashPoint('batch-ready');
      outcome = await this.#sender.send(batch);
      crashPoint('batch-answered');
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      outcome = { kind: 'kept', failure: { kind: 'bug', key: -1, message, retryAfterMs: null } };
    }
    this.#inFlight--;
    this.#pacer?.end(batch, this.#group.wireBytes);
    this.#lastWorkMs = this.#context.nowMs();
    this.#lanes.done(batch.entryId);
    if (outcome.kind === 'kept') {
      this.#fail(outcome.failure);
    } else {
      this.#counter.countSent(outcome);
      this.#deadLetters.push(...outcome.deadLetters, ...outcome.conflicts);
      this.#windows.answer(open, batch.bodyBytes);
      this.#line.add('openRecords', -batch.recordCount);
      this.#line.add('openBytes', -batch.bodyBytes);
      this.#line.add('sentRecords', outcome.records);
      this.#line.add('sentBytes', outcome.bytes);
      this.#line.set('answeredSequence', this.#windows.position.sequence);
    }
    this.#wakeup.raise();
  }

  /** The first failure counts; a stop comes before all. */
  #fail(failure: SliceFailure): void {
    if (this.#failure === null || failure.kind === 'stopped') this.#failure = failure;
    this.#wakeup.raise();
  }

  /** Whether a filter would have let them through nobody knows; without filters they count as errors (replication §4.4). */
  #countRemoved(records: number): void {
    this.#counter.removedAtSource += records;
    if (records === 0 || !this.#session.filter.takesAll) return;
    this.#counter.countError(404, `${records} ${REMOVED_TEXT}`, records);
  }

  #result(): SendResult {
    const { position, filterState, attemptedSequence, passedRecords, passedBytes } = this.#windows;
    this.#countRemoved(this.#windows.removed);
    this.#counter.passedRecords = passedRecords;
    this.#counter.passedBytes = passedBytes;
    this.#counter.droppedRecords = this.#windows.dropped;
    this.#counter.seenRecords = this.#windows.seenRecords;
    this.#counter.seenBytes = this.#windows.seenBytes;
    // Asking for the bucket counts, too.
    this.#pacer?.settle(this.#group.wireBytes);
    this.#counter.wireBytes = this.#group.wireBytes;
    this.#counter.conditionErrors = this.#session.filter.takeErrors();
    return {
      kind: 'send',
      position,
      filterState,
      isCaughtUp: this.#isCaughtUp && this.#windows.isEmpty,
      attemptedSequence,
      isTargetAvailable: this.#isTargetAvailable && this.#failure === null,
      target: this.#known.info,
      counts: this.#counter.toCounts(),
      deadLetters: this.#deadLetters,
      failure: this.#failure,
      needsEntriesAfter: this.#needsEntriesAfter,
      busyUntilMs: this.#pacer?.busyUntilMs ?? 0,
    };
  }
}

function knownOptions({ task, bucketId, range }: SendJob, instanceId: string): KnownTargetOptions {
  return {
    compression: task.settings.compression,
    ownPlace: instanceId === '' ? null : placeOf(instanceId, bucketId),
    // A range is sent because somebody asked for it, also when the target had it once.
    leavesOutLoops: range === null,
  };
}
