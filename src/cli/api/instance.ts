/** An instance for commands that read and write records. */
import { InstanceClient } from '../../client/instance-client.ts';
import { DEFAULT_RETRY } from '../../copy/attempts.ts';
import type { BucketContext } from '../../copy/types.ts';
import type { CliContext } from '../context.ts';
import type { ServerRef } from '../resource.ts';

/** Runs `use` with a client that gives up with Ctrl-C, and closes it afterwards. */
export async function withInstance<T>(
  context: CliContext,
  ref: ServerRef,
  use: (client: InstanceClient) => Promise<T>,
): Promise<T> {
  const { signal } = context;
  const client = new InstanceClient(context.resolve(ref));
  const giveUp = (): void => client.group.abort(new DOMException('Interrupted', 'AbortError'));
  signal.addEventListener('abort', giveUp);
  try {
    return await use(client);
  } finally {
    signal.removeEventListener('abort', giveUp);
    await client.close();
  }
}

/** Between two reads of a query, seconds. */
const QUERY_TTL_S = 60;

/** A bucket for the code of copies. */
export function bucketOf(
  { signal }: CliContext,
  client: InstanceClient,
  bucket: string,
): BucketContext {
  const side = `bucket '${bucket}'`;
  return { client, bucket, side, retry: DEFAULT_RETRY, ttlS: QUERY_TTL_S, signal };
}
