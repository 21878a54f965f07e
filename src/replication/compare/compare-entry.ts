/**
 * Walks through one entry on both sides at once, in the order of time, and sends what is missing if asked to. Runs in
 * workers, a piece at a time; memory is that of one chunk of records.
 */
import { COLUMN_BLOCKS } from '../../store/format.ts';
import { chunkKey } from '../../store/keys.ts';
import type { CompareJob, CompareResult, SliceFailure } from '../messages.ts';
import { isMetaEntry } from '../entry-pattern.ts';
import { entryPath } from '../scan/entry-path.ts';
import type { SliceContext } from '../slice.ts';
import type { TaskSession } from '../task-sessions.ts';
import { digestOf, hasSameContent } from '../transfer/duplicates.ts';
import { lookupFailure, STOPPED } from '../transfer/failure.ts';
import { SideSender } from '../transfer/side-sender.ts';
import type { TargetClient } from '../transfer/target-client.ts';
import { type TargetPlace, toLabelMap } from '../transfer/target-records.ts';
import { Expectation, type Verdict } from './expectation.ts';
import { type Repair, Repairer } from './repair.ts';
import { type SourceRecord, sourceRecords } from './source-records.ts';
import { type TargetRecord, targetRecords } from './target-stream.ts';
import {
  addCounts,
  type CompareCounts,
  type Difference,
  type DifferenceKind,
  newCounts,
} from './types.ts';

/** Records looked at before what was found is kept; a failure repeats at most so many. */
const CHUNK_RECORDS = 500;
/** And no more content than this to be sent at once, bytes. */
const CHUNK_REPAIR_BYTES: number = 8 * 1024 * 1024;
const CHUNK_REPAIRS = 85;

/** Never rejects for what a target or a network does. */
export async function compareEntry(
  context: SliceContext,
  job: CompareJob,
  session: TaskSession,
  client: TargetClient,
): Promise<CompareResult> {
  const sender = new SideSender(context, job, session, client);
  const comparison = new EntryComparison(context, job, session, client, sender);
  let failure: SliceFailure | null;
  try {
    failure = job.repair ? await sender.contact() : null;
    if (failure === null) failure = await comparison.run();
  } catch (error) {
    failure = sender.isStopped ? STOPPED : lookupFailure(error);
  } finally {
    sender.close();
  }
  return comparison.result(failure);
}

class EntryComparison {
  readonly #context: SliceContext;
  readonly #job: CompareJob;
  readonly #sender: SideSender;
  readonly #repairer: Repairer;
  readonly #place: TargetPlace;
  readonly #expectation: Expectation;
  readonly #isMeta: boolean;
  readonly #endMs: number;
  /** What is certain: everything before `#nextTs`. */
  readonly #counts: CompareCounts = newCounts();
  readonly #differences: Difference[] = [];
  #nextTs: bigint | null;
  #chunk: Chunk = new Chunk();

  constructor(
    context: SliceContext,
    job: CompareJob,
    session: TaskSession,
    client: TargetClient,
    sender: SideSender,
  ) {
    const { task, entry, budgetMs, fromTs } = job;
    const { dstBucket, dstPrefix } = task.settings;
    this.#context = context;
    this.#job = job;
    this.#sender = sender;
    this.#repairer = new Repairer(context, session, sender, entry, dstPrefix);
    const path = entryPath(dstPrefix, entry.name);
    this.#place = { client, bucketName: dstBucket, entryPath: path, group: sender.group };
    this.#expectation = new Expectation(task.settings);
    this.#isMeta = isMetaEntry(entry.name);
    this.#endMs = performance.now() + budgetMs;
    this.#nextTs = fromTs;
  }

  result(failure: SliceFailure | null): CompareResult {
    return {
      kind: 'compare',
      nextTs: this.#nextTs,
      counts: this.#counts,
      differences: this.#differences,
      traffic: this.#sender.counter.toCounts(),
      failure,
    };
  }

  /** Until the end of the entry, or of the time. */
  async run(): Promise<SliceFailure | null> {
    const { scan } = this.#context;
    const { entry, fromTs, stopTs, hashes } = this.#job;
    const { store } = scan.log;
    const source = sourceRecords(store, scan.metas, entry.id, fromTs, stopTs);
    const target = targetRecords(this.#place, fromTs, stopTs, hashes);
    let ours = await nextOf(source);
    let theirs = await nextOf(target);
    while (ours !== undefined || theirs !== undefined) {
      if (this.#sender.isStopped) return STOPPED;
      if (theirs === undefined || (ours !== undefined && ours.ts < theirs.ts)) {
        if (ours !== undefined) this.#onlyOurs(ours);
        ours = await nextOf(source);
      } else if (ours === undefined || theirs.ts < ours.ts) {
        this.#onlyTheirs(theirs);
        theirs = await nextOf(target);
      } else {
        await this.#both(ours, theirs);
        ours = await nextOf(source);
        theirs = await nextOf(target);
      }
      if (!this.#chunk.isFull) continue;
      const failure = await this.#keepChunk(earlier(ours, theirs));
      if (failure !== null || performance.now() > this.#endMs) return failure;
    }
    return this.#keepChunk(null);
  }

  /** Marked as removed: targets may or may not show such attachments. */
  #isHidden(labels: ReadonlyMap<string, string>): boolean {
    return this.#isMeta && labels.get('remove') === 'true';
  }

  #verdict({ view, index, meta }: SourceRecord): Verdict {
    return this.#expectation.of(this.#job.entry.name, view, index, meta);
  }

  #onlyOurs(ours: SourceRecord): void {
    this.#chunk.records++;
    if (this.#isMeta && ours.meta.isRemoval) return;
    const verdict = this.#verdict(ours);
    const { counts } = this.#chunk;
    if (verdict === 'unknown') counts.undecided++;
    if (verdict !== 'yes') return;
    this.#countSource(ours);
    const detail = `${ours.lengthBytes} bytes`;
    this.#differ(ours.ts, 'missing', detail, { record: ours, removedLabels: undefined });
  }

  #onlyTheirs(theirs: TargetRecord): void {
    this.#chunk.records++;
    if (this.#isHidden(theirs.labels)) return;
    this.#countTarget(theirs);
    this.#differ(theirs.ts, 'extra', 'the source has no record of that timestamp');
  }

  async #both(ours: SourceRecord, theirs: TargetRecord): Promise<void> {
    this.#chunk.records++;
    if (this.#isHidden(theirs.labels) || (this.#isMeta && ours.meta.isRemoval)) return;
    this.#countTarget(theirs);
    if (this.#verdict(ours) === 'no') {
      this.#differ(ours.ts, 'extra', 'the filters leave it out');
      return;
    }
    this.#countSource(ours);
    const { ts, lengthBytes } = ours;
    if (lengthBytes !== theirs.lengthBytes) {
      const detail = `${lengthBytes} bytes here, ${theirs.lengthBytes} bytes there`;
      this.#differ(ts, 'other_size', detail);
    } else if (theirs.digest !== undefined && !theirs.digest.equals(await this.#digest(ours))) {
      this.#differ(ts, 'other_content', `${lengthBytes} bytes on both sides`);
    } else {
      await this.#compareLabels(ours, theirs);
    }
  }

  async #compareLabels(ours: SourceRecord, theirs: TargetRecord): Promise<void> {
    const wanted = toLabelMap(ours.meta.labels);
    const changed = [...wanted].filter(([name, value]) => theirs.labels.get(name) !== value);
    const removed = [...theirs.labels.keys()].filter((name) => !wanted.has(name));
    if (changed.length + removed.length === 0) {
      this.#chunk.counts.equal++;
      return;
    }
    const names = [...changed.map(([name]) => name), ...removed].toSorted();
    const detail = `labels ${names.join(', ')}`;
    if (!this.#job.repair || (await this.#isSame(ours, theirs))) {
      this.#differ(ours.ts, 'other_labels', detail, { record: ours, removedLabels: removed });
    } else {
      this.#differ(ours.ts, 'other_content', `${ours.lengthBytes} bytes on both sides, ${detail}`);
    }
  }

  /** Before labels are set, the contents have to be the same. */
  async #isSame(ours: SourceRecord, theirs: TargetRecord): Promise<boolean> {
    if (theirs.digest !== undefined) return true;
    return hasSameContent(this.#place, ours.ts, await this.#digest(ours));
  }

  #digest({ view, index, lengthBytes }: SourceRecord): Promise<Buffer> {
    const large = view.large();
    if (large === undefined) return digestOf([view.payload(index)]);
    const { store } = this.#context.scan.log;
    const { uploadId, chunkBytes } = large;
    async function* chunks(): AsyncGenerator<Buffer> {
      for (let chunk = 0; chunk * chunkBytes < lengthBytes; chunk++) {
        const bytes = await store.getAsync(COLUMN_BLOCKS, chunkKey(uploadId, chunk));
        // Removed meanwhile: the next comparison will not find it.
        if (bytes !== undefined) yield bytes;
      }
    }
    return digestOf(chunks());
  }

  #countSource({ lengthBytes }: SourceRecord): void {
    this.#chunk.counts.sourceRecords++;
    this.#chunk.counts.sourceBytes += lengthBytes;
  }

  #countTarget({ lengthBytes }: TargetRecord): void {
    this.#chunk.counts.targetRecords++;
    this.#chunk.counts.targetBytes += lengthBytes;
  }

  #differ(ts: bigint, kind: DifferenceKind, detail: string, repair?: Repair): void {
    this.#chunk.counts.differences[kind]++;
    const entryName = this.#job.entry.name;
    this.#chunk.differences.push({ entryName, ts, kind, detail, repaired: 'no' });
    if (repair !== undefined && this.#job.repair) this.#chunk.addRepair(repair);
  }

  /** Repairs what the chunk found and takes it in. @param nextTs where the next chunk begins; `null`: nowhere. */
  async #keepChunk(nextTs: bigint | null): Promise<SliceFailure | null> {
    const { counts, differences, repairs } = this.#chunk;
    const { refused, failure } = await this.#repairer.repair(repairs);
    // The chunk is looked at again: what was sent of it is there then.
    if (failure !== null) return failure;
    const tried = new Set(repairs.map(({ record }) => record.ts));
    for (const difference of differences) {
      const isTried = tried.has(difference.ts);
      const repaired = !isTried ? 'no' : refused.has(difference.ts) ? 'failed' : 'yes';
      if (repaired === 'yes') counts.repaired++;
      if (repaired === 'failed') counts.repairFailed++;
      if (this.#differences.length < this.#job.maxDifferences) {
        this.#differences.push({ ...difference, repaired });
      }
    }
    addCounts(this.#counts, counts);
    this.#nextTs = nextTs;
    this.#chunk = new Chunk();
    return null;
  }
}

/** Records since the last point that a failure does not go back behind. */
class Chunk {
  records = 0;
  readonly counts: CompareCounts = newCounts();
  readonly differences: Difference[] = [];
  readonly repairs: Repair[] = [];
  #repairBytes = 0;

  addRepair(repair: Repair): void {
    this.repairs.push(repair);
    const { view, lengthBytes } = repair.record;
    // Contents of large records are read while they are sent.
    if (view.large() === undefined) this.#repairBytes += lengthBytes;
  }

  get isFull(): boolean {
    return (
      this.records >= CHUNK_RECORDS ||
      this.repairs.length >= CHUNK_REPAIRS ||
      this.#repairBytes >= CHUNK_REPAIR_BYTES
    );
  }
}

async function nextOf<T>(records: AsyncGenerator<T>): Promise<T | undefined> {
  const { value, done } = await records.next();
  return done === true ? undefined : value;
}

function earlier(
  ours: { readonly ts: bigint } | undefined,
  theirs: { readonly ts: bigint } | undefined,
): bigint | null {
  if (ours === undefined || theirs === undefined) return (ours ?? theirs)?.ts ?? null;
  return ours.ts < theirs.ts ? ours.ts : theirs.ts;
}
