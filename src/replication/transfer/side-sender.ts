/** Sending beside the log: records that were refused before, or that a comparison found missing. One contact, no windows. */
import type { SliceFailure, TaskSpec } from '../messages.ts';
import type { SliceContext } from '../slice.ts';
import { placeOf } from '../replication-path.ts';
import { SliceCounter } from '../slice-counts.ts';
import { TaskLine } from '../task-line.ts';
import type { TaskSession } from '../task-sessions.ts';
import type { Batch } from '../scan/batch.ts';
import { STOPPED } from './failure.ts';
import { KnownTarget } from './known-target.ts';
import type { BatchOutcome } from './send-result.ts';
import { Sender } from './sender.ts';
import { StoreSource } from './store-source.ts';
import { checkTarget } from './target-check.ts';
import { RequestGroup } from './exchange.ts';
import type { TargetClient } from './target-client.ts';

export interface SideJob {
  readonly task: TaskSpec;
  readonly line: SharedArrayBuffer;
  /** Source of the records; `null`: the target is not told where they come from. */
  readonly bucketId: number | null;
}

export class SideSender {
  readonly group: RequestGroup = new RequestGroup();
  readonly counter: SliceCounter = new SliceCounter();
  readonly #task: TaskSpec;
  readonly #client: TargetClient;
  readonly #line: TaskLine;
  readonly #known: KnownTarget;
  readonly #sender: Sender;

  /** Its line tells when to stop; requests are given up then. */
  constructor(
    context: SliceContext,
    { task, line, bucketId }: SideJob,
    session: TaskSession,
    client: TargetClient,
  ) {
    const { log, metas } = context.scan;
    const { instanceId } = context.options;
    const ownPlace = instanceId === '' || bucketId === null ? null : placeOf(instanceId, bucketId);
    const { compression } = task.settings;
    // Everything is sent: somebody asked for it, or the target lacks it.
    this.#known = new KnownTarget({ compression, ownPlace, leavesOutLoops: false });
    this.#task = task;
    this.#client = client;
    this.#line = new TaskLine(line);
    this.#sender = new Sender({
      client,
      bucketName: task.settings.dstBucket,
      records: new StoreSource(log.store, metas, session.limits),
      isUpdateOnly: session.filter.isSampling,
      group: this.group,
      memory: session.memory,
      compressor: context.compressor,
      known: this.#known,
      counter: this.counter,
      resendSequence: 0,
      nowMs: () => Date.now(),
    });
    void this.#line.whenStopped().then(() => {
      if (!this.isStopped) return;
      this.group.abort(new DOMException('The task was stopped', 'AbortError'));
    });
  }

  get isStopped(): boolean {
    return this.#line.isStopped();
  }

  /** Asks for the bucket, and creates it where it is missing. @returns why nothing can be sent, or `null`. */
  async contact(): Promise<SliceFailure | null> {
    if (this.isStopped) return STOPPED;
    const { dstBucket } = this.#task.settings;
    const contact = await checkTarget(this.#client, dstBucket, true, this.group);
    if (this.isStopped) return STOPPED;
    if (contact.kind === 'failed') {
      this.counter.countError(contact.failure.key, contact.failure.message, 1);
      return contact.failure;
    }
    this.#known.learn(contact.target);
    return null;
  }

  /** Never rejects for what a target or a network does. */
  async send(batch: Batch): Promise<BatchOutcome> {
    if (this.isStopped) return { kind: 'kept', failure: STOPPED };
    const outcome = await this.#sender.send(batch);
    if (outcome.kind === 'kept') return this.isStopped ? { ...outcome, failure: STOPPED } : outcome;
    this.counter.countSent(outcome);
    return outcome;
  }

  /** At the end, whatever happened. */
  close(): void {
    this.counter.wireBytes = this.group.wireBytes;
    this.#line.release();
  }
}
