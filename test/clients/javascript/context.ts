/** What every scenario of the JavaScript client gets. */
import type { Bucket, Client } from 'reduct-js';

export interface ScenarioContext {
  readonly url: string;
  readonly client: Client;
  /** A bucket of the scenario's own, empty at its start. */
  readonly bucket: Bucket;
}

export type Scenario = (context: ScenarioContext) => Promise<void>;

/** The status and message of the error that `action` rejects with. @throws Error when it does not reject. */
export async function refusal(
  action: Promise<unknown>,
): Promise<{ status: unknown; message: unknown }> {
  try {
    await action;
  } catch (error) {
    if (typeof error !== 'object' || error === null) throw error;
    return {
      status: Reflect.get(error, 'status'),
      message: Reflect.get(error, 'message'),
    };
  }
  throw new Error('the call was not refused');
}

/** All items of a query, in order. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Writes `record <i>` at second i for i = 1 … count, with label `n`. */
export async function writeSeries(bucket: Bucket, entry: string, count: number): Promise<void> {
  const batch = await bucket.beginWriteBatch(entry);
  for (let i = 1; i <= count; i++) {
    batch.add(BigInt(i) * 1_000_000n, `record ${i}`, 'text/plain', { n: i });
  }
  const errors = await batch.write();
  if (errors.size > 0) throw new Error(`${errors.size} records were refused`);
}
