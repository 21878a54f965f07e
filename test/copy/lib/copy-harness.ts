/** Two instances and copies between their buckets. */
import { InstanceClient } from '../../../src/client/instance-client.ts';
import { BucketSink } from '../../../src/copy/bucket-sink.ts';
import { BucketSource } from '../../../src/copy/bucket-source.ts';
import { copyBucket, type CopyReport, type CopySettings } from '../../../src/copy/copy.ts';
import { BudgetLease, ByteBudget } from '../../../src/copy/byte-budget.ts';
import type { RetryOptions } from '../../../src/copy/attempts.ts';
import { NO_POSITIONS } from '../../../src/copy/position.ts';
import { type CopySink, type CopySource, NO_FILTER } from '../../../src/copy/types.ts';
import { expect } from 'vitest';
import type { Api, TestRecord } from '../../lib/api.ts';
import { type RunningInstance, startInstance, TEST_TOKEN } from '../../lib/instance.ts';
import { withTempDir } from '../../lib/temp-dir.ts';

export const QUICK_RETRY: RetryOptions = { attempts: 4, delayMs: 5 };

/** Beyond all timestamps of tests, µs. */
export const STOP_US = 1n << 60n;

export interface Pair {
  readonly source: RunningInstance;
  readonly target: RunningInstance;
}

export async function withPair(
  use: (pair: Pair) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  await withTempDir(async (path) => {
    const source = await startInstance(`${path}/source`, env);
    try {
      const target = await startInstance(`${path}/target`, env);
      try {
        await use({ source, target });
      } finally {
        await target.stop();
      }
    } finally {
      await source.stop();
    }
  });
}

export function clientOf(url: string, token: string | null = TEST_TOKEN): InstanceClient {
  return new InstanceClient({ url, token, caPem: null, verifyTls: true, timeoutMs: 20_000 });
}

export function settingsOf(
  source: CopySource,
  sink: CopySink,
  changes: Partial<CopySettings> = {},
): CopySettings {
  return {
    source,
    sink,
    filter: NO_FILTER,
    entries: [],
    startUs: null,
    stopUs: STOP_US,
    fromLast: false,
    positions: NO_POSITIONS,
    verify: false,
    dryRun: false,
    parallel: 4,
    memoryBytes: 64 * 1024 * 1024,
    failuresPath: null,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    ...changes,
  };
}

export async function withClient(
  url: string,
  use: (client: InstanceClient) => Promise<void>,
): Promise<void> {
  const client = clientOf(url);
  try {
    await use(client);
  } finally {
    await client.close();
  }
}

const NEVER = new AbortController().signal;

export function sourceOf(client: InstanceClient, bucket: string, signal = NEVER): BucketSource {
  const common = { retry: QUICK_RETRY, ttlS: 60, signal };
  return new BucketSource({ ...common, client, bucket, side: `source '${bucket}'` });
}

export function sinkOf(client: InstanceClient, bucket: string, signal = NEVER): BucketSink {
  const common = { retry: QUICK_RETRY, ttlS: 60, signal };
  return new BucketSink({ ...common, client, bucket, side: `destination '${bucket}'` });
}

export function copyAll(
  source: CopySource,
  sink: CopySink,
  changes: Partial<CopySettings> = {},
): Promise<CopyReport> {
  return copyBucket(settingsOf(source, sink, changes));
}

/** Copies bucket `src` of one server to bucket `dst` of another. */
export async function copyBetween(
  sourceUrl: string,
  targetUrl: string,
  changes: Partial<CopySettings> = {},
): Promise<CopyReport> {
  const from = clientOf(sourceUrl);
  const to = clientOf(targetUrl);
  const { signal } = changes;
  try {
    return await copyAll(sourceOf(from, 'src', signal), sinkOf(to, 'dst', signal), changes);
  } finally {
    await from.close();
    await to.close();
  }
}

/** Everything an entry holds, read by the client of copies: it takes what other servers answer. */
export async function readBucket(
  url: string,
  token: string,
  bucket: string,
  entry: string,
): Promise<TestRecord[]> {
  const client = clientOf(url, token);
  const lease = new BudgetLease(new ByteBudget(1 << 30));
  const onFailed = (): never => expect.unreachable();
  const reader = sourceOf(client, bucket).reader(entry, NO_FILTER, { lease, onFailed });
  const records: TestRecord[] = [];
  for await (const { heads, content } of reader.stream({ startUs: 0n, stopUs: STOP_US })) {
    let at = 0;
    for (const { ts, lengthBytes, meta } of heads) {
      const payload = Buffer.isBuffer(content) ? content.subarray(at, at + lengthBytes) : EMPTY;
      records.push({ ts, payload, labels: labelsOf(meta.labels) });
      at += lengthBytes;
    }
  }
  await client.close();
  return records;
}

const EMPTY = Buffer.alloc(0);

function labelsOf(flat: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (let at = 0; at + 1 < flat.length; at += 2) labels[flat[at] ?? ''] = flat[at + 1] ?? '';
  return labels;
}

/** Records with timestamps from `firstUs` in steps of `stepUs`. */
export function someRecords(
  count: number,
  labelsOf: (index: number) => Record<string, string> = () => ({}),
  { firstUs = 1_000_000n, stepUs = 1_000n, bytes = 20 } = {},
): TestRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    ts: firstUs + BigInt(index) * stepUs,
    payload: Buffer.alloc(bytes, `${index} `),
    labels: labelsOf(index),
  }));
}

export async function fill(
  api: Api,
  bucket: string,
  entry: string,
  records: readonly TestRecord[],
): Promise<void> {
  await api.call('POST', `/b/${bucket}`);
  for (let at = 0; at < records.length; at += 80) {
    const answer = await api.writeBatch(bucket, entry, records.slice(at, at + 80));
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.error}`);
  }
}
