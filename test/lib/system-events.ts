/** Looks into the bucket `$system` of an instance under test. */
import { Api } from './api.ts';
import type { TestRecord } from './api.ts';
import type { RunningInstance } from './instance.ts';

/** Its characters outside of what entries may have are replaced in their names: `edge_1`. */
export const EVENTS_NAME = { RS_INSTANCE_NAME: 'edge.1' };

export type Document = Record<string, unknown>;

/** Contents of the records of an entry of `$system`, by time; none when there is no such entry. */
export async function documents(api: Api, entry: string): Promise<Document[]> {
  const records = await api.readAll('$system', entry);
  return records.map(({ payload }) => JSON.parse(payload.toString()) as Document);
}

export interface ListedBucket {
  readonly name: string;
  readonly entry_count: number;
  readonly is_provisioned: boolean;
}

/** As `/list` shows it to the token of the client. */
export async function systemBucket(api: Api): Promise<ListedBucket | undefined> {
  const { buckets } = JSON.parse((await api.ok('GET', '/list')).text) as {
    buckets: ListedBucket[];
  };
  return buckets.find(({ name }) => name === '$system');
}

/** Creates a token and gives a client that uses it. @param more further members of the body. */
export async function clientOf(
  { url, api }: RunningInstance,
  name: string,
  permissions: object,
  more: object = {},
): Promise<Api> {
  const body = JSON.stringify({ permissions, ...more });
  const path = `/tokens/${encodeURIComponent(name)}`;
  const { value } = JSON.parse((await api.ok('POST', path, {}, body)).text) as { value: string };
  return new Api(url, value);
}

/** Five bytes. */
export function shortRecord(ts: bigint): TestRecord {
  return { ts, payload: Buffer.from('12345'), labels: {} };
}
