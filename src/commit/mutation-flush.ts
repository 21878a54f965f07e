/** The part of a flush that changes existing records: after the records of the same turn, as a commit of its own. */
import type { Entry } from '../catalog/model.ts';
import type { RemovedRows } from '../catalog/removal-causes.ts';
import { MillraceError, UnavailableError } from '../errors/errors.ts';
import type { BlockRecord } from '../store/block.ts';
import { blockBytesBound, encodeUpdateBlock } from '../store/block.ts';
import { encodeMeta } from '../store/record-meta.ts';
import { BLOCK_MAX_RECORDS, COLUMN_BLOCKS, COLUMN_META } from '../store/format.ts';
import { blockKey } from '../store/keys.ts';
import { putHead } from '../store/head-row.ts';
import type { RocksReader, WriteBatch } from '../store/rocks.ts';
import type { IsUnread, LoggedUpdate } from './mutations.ts';
import { MutationSession } from './mutations.ts';
import { updateBlockKey } from './update-trimmer.ts';

const NO_VALUE = Buffer.alloc(0);

/** One request's change. It looks first and changes then: when it throws, it must not have changed anything. */
export interface StagedMutation {
  readonly run: (session: MutationSession) => void;
  readonly done: (error: MillraceError | null) => void;
}

/** A block of the log that a mutation commit adds. */
export interface UpdateBlock {
  readonly sequence: number;
  readonly bucketId: number;
  readonly bytes: Buffer;
}

export interface MutationOutcome {
  readonly updateBlocks: readonly UpdateBlock[];
  /** Blocks whose bytes changed; the ring must not serve them. */
  readonly changedSequences: readonly number[];
  /** Entries whose runs changed; what is remembered of them is void. */
  readonly changedEntries: readonly Entry[];
  readonly removed: readonly RemovedRows[];
}

/**
 * Runs staged mutations and commits their changes.
 * @param firstSequence sequence of the first block that may be added to the log.
 * @param isUnread see `MutationSession`.
 * @returns undefined when the commit failed or nothing changed; every mutation was told either way.
 */
export function flushMutations(
  staged: readonly StagedMutation[],
  reader: RocksReader,
  batch: WriteBatch,
  sync: boolean,
  firstSequence: number,
  isUnread: IsUnread,
): { outcome: MutationOutcome; acknowledge: () => void } | undefined {
  const session = new MutationSession(reader, isUnread);
  const succeeded: StagedMutation[] = [];
  for (const mutation of staged) {
    try {
      mutation.run(session);
      succeeded.push(mutation);
    } catch (error) {
      mutation.done(asMillraceError(error));
    }
  }
  if (succeeded.length === 0) return undefined;
  const acknowledge = (): void => {
    for (const { done } of succeeded) done(null);
  };
  if (!session.isChanged) {
    acknowledge();
    return undefined;
  }
  try {
    const updateBlocks = encodeUpdates(session.loggedUpdates(), firstSequence);
    session.fill(batch);
    for (const block of updateBlocks) {
      batch.put(COLUMN_BLOCKS, blockKey(block.sequence), block.bytes);
      batch.put(COLUMN_META, updateBlockKey(block.bucketId, block.sequence), NO_VALUE);
    }
    putHead(batch, firstSequence + updateBlocks.length);
    batch.commit(sync);
    const changedSequences = session.changedSequences();
    const changedEntries = session.publish();
    return {
      outcome: { updateBlocks, changedSequences, changedEntries, removed: session.removed },
      acknowledge,
    };
  } catch (error) {
    batch.clear();
    for (const { done } of succeeded) done(asMillraceError(error));
    return undefined;
  }
}

function asMillraceError(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  return new UnavailableError('The change could not be stored', { cause: error });
}

function encodeUpdates(
  updates: ReadonlyMap<Entry, readonly LoggedUpdate[]>,
  firstSequence: number,
): UpdateBlock[] {
  const blocks: UpdateBlock[] = [];
  for (const [entry, all] of updates) {
    for (let at = 0; at < all.length; at += BLOCK_MAX_RECORDS) {
      const sequence = firstSequence + blocks.length;
      const records = all.slice(at, at + BLOCK_MAX_RECORDS).map(toBlockRecord);
      const out = Buffer.allocUnsafe(blockBytesBound(records));
      const identity = {
        sequence,
        bucketId: entry.bucket.id,
        entryId: entry.id,
        bucketOrdinal: entry.bucket.recordsWritten,
      };
      const bytes = out.subarray(0, encodeUpdateBlock(out, identity, records));
      blocks.push({ sequence, bucketId: entry.bucket.id, bytes });
    }
  }
  return blocks;
}

function toBlockRecord({ ts, meta, removedNames }: LoggedUpdate): BlockRecord {
  const source = encodeMeta(
    '',
    removedNames.flatMap((name) => [name, '']),
  );
  return { ts, meta, source, offset: 0, length: source.length };
}
