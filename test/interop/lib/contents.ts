/** What a bucket holds, in a form that can be compared between servers. */
import { createHash } from 'node:crypto';
import type { Bucket, Client } from 'reduct-js';
import { expect } from 'vitest';

export interface WrittenRecord {
  readonly entry: string;
  readonly ts: bigint;
  readonly content: Buffer;
  readonly contentType: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** `entry@timestamp` → content type, labels, length and hash of the content, as one line. */
export type Contents = ReadonlyMap<string, string>;

const BATCH_RECORDS = 40;

export function describeRecords(records: Iterable<WrittenRecord>): Contents {
  const lines = [...records].map((record): [string, string] => [
    `${record.entry}@${record.ts}`,
    lineOf(record.contentType, record.labels, record.content),
  ]);
  return new Map(lines);
}

/** Reads all records of all entries but attachments. */
export async function readContents(client: Client, bucketName: string): Promise<Contents> {
  const bucket = await client.getBucket(bucketName);
  const contents = new Map<string, string>();
  for (const { name } of await bucket.getEntryList()) {
    if (name.endsWith('/$meta')) continue;
    for await (const record of bucket.query(name)) {
      const labels = Object.entries(record.labels).map(([key, value]) => [key, String(value)]);
      const content = Buffer.from(await record.read());
      const line = lineOf(record.contentType ?? '', Object.fromEntries(labels), content);
      contents.set(`${name}@${record.time}`, line);
    }
  }
  return contents;
}

function lineOf(
  contentType: string,
  labels: Readonly<Record<string, string>>,
  content: Buffer,
): string {
  const sorted = Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 16);
  return `${contentType} ${JSON.stringify(sorted)} ${content.length} ${hash}`;
}

/** Waits until the bucket holds exactly these records. */
export async function expectContents(
  client: Client,
  bucketName: string,
  expected: Contents,
  timeoutMs = 60_000,
): Promise<void> {
  const look = async (): Promise<string[]> => {
    try {
      return differences(expected, await readContents(client, bucketName));
    } catch (error) {
      // Not there yet, or its server is starting: to be asked again, and shown when it stays so.
      return [error instanceof Error ? error.message : String(error)];
    }
  };
  await expect.poll(look, { timeout: timeoutMs, interval: 200 }).toEqual([]);
}

function differences(expected: Contents, found: Contents): string[] {
  const missing = [...expected.keys()].filter((key) => !found.has(key)).map((key) => `- ${key}`);
  const extra = [...found.keys()].filter((key) => !expected.has(key)).map((key) => `+ ${key}`);
  const other = [...expected]
    .filter(([key, line]) => found.has(key) && found.get(key) !== line)
    .map(([key, line]) => `${key}: ${line} ≠ ${found.get(key)}`);
  return [...missing, ...extra, ...other].slice(0, 10);
}

/** Writes by batches of the batch protocol; every record has to be accepted. */
export async function writeRecords(
  bucket: Bucket,
  records: readonly WrittenRecord[],
): Promise<void> {
  for (const entry of new Set(records.map((record) => record.entry))) {
    const own = records.filter((record) => record.entry === entry);
    for (let at = 0; at < own.length; at += BATCH_RECORDS) {
      const batch = await bucket.beginWriteBatch(entry);
      for (const { ts, content, contentType, labels } of own.slice(at, at + BATCH_RECORDS)) {
        batch.add(ts, content, contentType, { ...labels });
      }
      const errors = await batch.write();
      expect([...errors]).toEqual([]);
    }
  }
}
