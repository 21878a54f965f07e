/** Sends what a comparison found: records that are missing, and labels of records that are otherwise equal. */
import type { SliceFailure } from '../messages.ts';
import { BatchBuilder } from '../scan/batch-builder.ts';
import { entryPath } from '../scan/entry-path.ts';
import type { MetaCache } from '../scan/meta-cache.ts';
import type { SliceContext } from '../slice.ts';
import type { TaskSession } from '../task-sessions.ts';
import { findRecord } from '../transfer/full-write.ts';
import type { SideSender } from '../transfer/side-sender.ts';
import type { SourceRecord } from './source-records.ts';

/** Rounds of labels that change while they are sent. */
const MAX_ROUNDS = 3;

export interface RepairEntry {
  readonly id: number;
  readonly name: string;
}

/** One record to be repaired. */
export interface Repair {
  readonly record: SourceRecord;
  /** Set where only labels are to be sent: names that the target's record is to lose. */
  readonly removedLabels: readonly string[] | undefined;
}

export interface RepairResult {
  /** Timestamps of records that the target refused. */
  readonly refused: ReadonlySet<bigint>;
  /** Why it could not be finished. */
  readonly failure: SliceFailure | null;
}

export class Repairer {
  readonly #context: SliceContext;
  readonly #session: TaskSession;
  readonly #sender: SideSender;
  readonly #entry: RepairEntry;
  readonly #path: string;

  constructor(
    context: SliceContext,
    session: TaskSession,
    sender: SideSender,
    entry: RepairEntry,
    dstPrefix: string,
  ) {
    this.#context = context;
    this.#session = session;
    this.#sender = sender;
    this.#entry = entry;
    this.#path = entryPath(dstPrefix, entry.name);
  }

  /**
   * Live sending goes on beside this, so labels that change meanwhile may arrive in the wrong order: they are looked at
   * again afterwards, and sent again until they are those of the source.
   */
  async repair(repairs: readonly Repair[]): Promise<RepairResult> {
    const refused = new Set<bigint>();
    let left: readonly Repair[] = repairs;
    for (let round = 0; round < MAX_ROUNDS && left.length > 0; round++) {
      const failure = await this.#send(left, refused);
      if (failure !== null) return { refused, failure };
      left = left.flatMap((repair) => this.#changedSince(repair, refused));
    }
    return { refused, failure: null };
  }

  async #send(repairs: readonly Repair[], refused: Set<bigint>): Promise<SliceFailure | null> {
    const { scan } = this.#context;
    const builder = new BatchBuilder(scan.metas, this.#session.limits);
    builder.enter({ ...this.#entry, path: this.#path });
    for (const { record, removedLabels } of repairs) {
      const { view, index } = record;
      if (removedLabels === undefined) builder.append(view, index, index + 1);
      else builder.appendLabels(view, index, removedLabels);
    }
    for (const batch of builder.finish()) {
      const outcome = await this.#sender.send(batch);
      if (outcome.kind === 'kept') return outcome.failure;
      for (const { ts } of [...outcome.deadLetters, ...outcome.conflicts]) refused.add(ts);
    }
    return null;
  }

  /** The record as it is now, if its labels are other ones. */
  #changedSince({ record }: Repair, refused: ReadonlySet<bigint>): Repair[] {
    const { scan } = this.#context;
    if (refused.has(record.ts)) return [];
    const found = findRecord(scan.log.store, this.#entry.id, record.ts);
    if (found === undefined) return [];
    const meta = scan.metas.of(found.view, found.view.metaIndex(found.index));
    const removed = namesMissing(record, meta);
    if (meta === record.meta || (removed.length === 0 && isEqual(meta, record.meta))) return [];
    return [{ record: { ...record, ...found, meta }, removedLabels: removed }];
  }
}

type Meta = ReturnType<MetaCache['of']>;

function isEqual(a: Meta, b: Meta): boolean {
  return a.labels.length === b.labels.length && a.labels.every((text, at) => text === b.labels[at]);
}

/** Names of labels that a record had and has no more. */
function namesMissing({ meta }: SourceRecord, now: Meta): string[] {
  const names = new Set(now.labels.filter((_text, at) => at % 2 === 0));
  return meta.labels.filter((name, at) => at % 2 === 0 && !names.has(name));
}
