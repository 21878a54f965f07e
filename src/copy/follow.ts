/** Records of one entry as they are written. */
import type { InstanceClient } from '../client/instance-client.ts';
import { HeadParser } from '../client/record-heads.ts';
import { Attempts, DEFAULT_RETRY } from './attempts.ts';
import { planFilter } from './filter-plan.ts';
import { narrowPage } from './pages.ts';
import { Selection } from './selection.ts';
import { type CopyFilter, CopyInterruptedError, type Page } from './types.ts';

/** Servers look for new records four times in it, seconds. */
const TTL_S = 8;

const NO_CONTENT = 204;

export interface FollowOptions {
  readonly client: InstanceClient;
  readonly bucket: string;
  readonly entry: string;
  readonly filter: CopyFilter;
  /** µs. */
  readonly startUs: bigint;
  readonly signal: AbortSignal;
}

/**
 * Ends when the signal is aborted, or when the filter lets nothing more through. A connection or query that is lost is made
 * anew behind the last record. Contents of a batch lie in memory.
 */
export async function* followEntry(options: FollowOptions): AsyncGenerator<Page> {
  const { client, bucket, entry, filter, signal } = options;
  const { query, client: own } = planFilter(filter, client.apiVersion);
  const selection = new Selection(own);
  const parser = new HeadParser();
  const attempts = new Attempts(DEFAULT_RETRY, signal);
  let startUs = options.startUs;
  while (!signal.aborted && !selection.isFull) {
    try {
      const wanted = { ...query, continuous: true, ttlS: TTL_S };
      const id = await client.startQuery(bucket, entry, { startUs }, wanted);
      while (!signal.aborted && !selection.isFull) {
        const answer = await client.readBatch('GET', bucket, entry, id);
        const heads = answer.status === NO_CONTENT ? [] : parser.parse(answer.headers);
        const bytes = heads.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
        const content = await answer.take(bytes);
        await answer.discard();
        attempts.progress();
        const last = heads.at(-1);
        if (last === undefined) continue;
        startUs = last.ts + 1n;
        const page = narrowPage({ heads, content, heldBytes: 0 }, selection.select(heads));
        if (page !== null) yield page;
      }
    } catch (error) {
      if (signal.aborted) return;
      try {
        await attempts.failed(error, `entry '${entry}'`);
      } catch (final) {
        if (final instanceof CopyInterruptedError) return;
        throw final;
      }
    }
  }
}
