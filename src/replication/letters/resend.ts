/** Dead letters sent again: read as they are now, and sent like any other record. Runs in workers. */
import type { LetterPlace, ResendJob, ResendResult, SliceFailure } from '../messages.ts';
import type { Batch } from '../scan/batch.ts';
import { BatchBuilder } from '../scan/batch-builder.ts';
import { entryPath } from '../scan/entry-path.ts';
import type { SliceContext } from '../slice.ts';
import type { TaskSession } from '../task-sessions.ts';
import { findRecord } from '../transfer/full-write.ts';
import type { SentBatch } from '../transfer/send-result.ts';
import { SideSender } from '../transfer/side-sender.ts';
import type { TargetClient } from '../transfer/target-client.ts';
import type { DeadLetter } from '../types.ts';
import type { LetterOutcome } from './letter.ts';

/** Letters whose records are held in memory together. */
interface Portion {
  readonly letters: readonly LetterPlace[];
  readonly batches: readonly Batch[];
}

/** Never rejects for what a target or a network does. */
export async function resendLetters(
  context: SliceContext,
  job: ResendJob,
  session: TaskSession,
  client: TargetClient,
): Promise<ResendResult> {
  const sender = new SideSender(context, job, session, client);
  const outcomes: LetterOutcome[] = [];
  let failure: SliceFailure | null;
  try {
    failure = await sender.contact();
    if (failure === null) failure = await sendAll(context, job, session, sender, outcomes);
  } finally {
    sender.close();
  }
  return { kind: 'resend', outcomes, counts: sender.counter.toCounts(), failure };
}

/** Entry by entry, in order of time. @returns why the rest was not sent, or `null`. */
async function sendAll(
  context: SliceContext,
  job: ResendJob,
  session: TaskSession,
  sender: SideSender,
  outcomes: LetterOutcome[],
): Promise<SliceFailure | null> {
  for (const letters of byEntry(job.letters)) {
    for (const portion of portions(context, job, session, letters, outcomes)) {
      // Those without an outcome stay queued.
      if (sender.group.wireBytes >= (job.allowanceBytes ?? Number.POSITIVE_INFINITY)) return null;
      const failure = await sendPortion(context, portion, sender, outcomes);
      if (failure !== null) return failure;
    }
  }
  return null;
}

function byEntry(letters: readonly LetterPlace[]): LetterPlace[][] {
  const entries = new Map<number, LetterPlace[]>();
  for (const letter of letters) {
    const known = entries.get(letter.entryId);
    if (known === undefined) entries.set(letter.entryId, [letter]);
    else known.push(letter);
  }
  return [...entries.values()].map((same) => same.toSorted((a, b) => (a.ts < b.ts ? -1 : 1)));
}

/** Reads records of one entry, as many at a time as fit into a batch; those that are gone are told at once. */
function* portions(
  { scan }: SliceContext,
  { task }: ResendJob,
  { limits }: TaskSession,
  letters: readonly LetterPlace[],
  outcomes: LetterOutcome[],
): Generator<Portion> {
  let builder: BatchBuilder | undefined;
  let taken: LetterPlace[] = [];
  let bytes = 0;
  for (const letter of letters) {
    const found = findRecord(scan.log.store, letter.entryId, letter.ts);
    if (found === undefined) {
      outcomes.push({ id: letter.id, fate: 'gone', cause: 'record_removed' });
      continue;
    }
    if (builder === undefined) {
      builder = new BatchBuilder(scan.metas, limits);
      const path = entryPath(task.settings.dstPrefix, letter.entryName);
      builder.enter({ id: letter.entryId, name: letter.entryName, path });
    }
    const { view, index } = found;
    if (letter.kind === 'update') builder.appendLabels(view, index);
    else builder.append(view, index, index + 1);
    taken.push(letter);
    // Content of large records is read while it is sent.
    if (view.large() === undefined) bytes += view.length(index);
    if (taken.length < limits.maxRecords && bytes < limits.maxBytes) continue;
    yield { letters: taken, batches: builder.finish() };
    builder = undefined;
    taken = [];
    bytes = 0;
  }
  if (builder !== undefined) yield { letters: taken, batches: builder.finish() };
}

async function sendPortion(
  { scan }: SliceContext,
  { letters, batches }: Portion,
  sender: SideSender,
  outcomes: LetterOutcome[],
): Promise<SliceFailure | null> {
  const refused = new Map<bigint, DeadLetter>();
  let removed = 0;
  for (const batch of batches) {
    const outcome = await sender.send(batch);
    // What was delivered of the portion is found to be there already the next time.
    if (outcome.kind === 'kept') return outcome.failure;
    for (const letter of refusedIn(outcome)) refused.set(letter.ts, letter);
    removed += outcome.removedAtSource;
  }
  for (const { id, ts, entryId } of letters) {
    const letter = refused.get(ts);
    if (letter !== undefined) outcomes.push({ id, fate: 'refused', letter });
    else if (removed > 0 && findRecord(scan.log.store, entryId, ts) === undefined) {
      outcomes.push({ id, fate: 'gone', cause: 'record_removed' });
    } else outcomes.push({ id, fate: 'delivered' });
  }
  return null;
}

function refusedIn({ deadLetters, conflicts }: SentBatch): readonly DeadLetter[] {
  return [...deadLetters, ...conflicts];
}
