/** Looks which records are still there. Runs in workers: every one costs a block. */
import { setImmediate as yieldToLoop } from 'node:timers/promises';
import type { RocksReader } from '../../store/rocks.ts';
import type { InspectResult, RecordPlace } from '../messages.ts';
import { findRecord } from '../transfer/full-write.ts';

/** Records looked for before others get their turn. */
const RECORDS_A_TURN = 32;

export async function inspectRecords(
  store: RocksReader,
  places: readonly RecordPlace[],
): Promise<InspectResult> {
  const isThere: boolean[] = [];
  for (const { entryId, ts } of places) {
    isThere.push(findRecord(store, entryId, ts) !== undefined);
    if (isThere.length % RECORDS_A_TURN === 0) await yieldToLoop();
  }
  return { kind: 'inspect', isThere };
}
