/** What reads hand out, counted for the family `usage` of system events. */
import type { Bucket } from '../catalog/model.ts';
import type { ReadBatch, RecordData } from '../query/types.ts';
import { percentDecode } from '../wire/percent.ts';
import type { Exchange } from './exchange.ts';
import type { Front } from './front.ts';

const ENTRIES_LINE = 'x-reduct-entries: ';

/** @param bytes of content that go out; all of it when absent, none of it to HEAD. */
export function countRecord(
  { deps }: Front,
  exchange: Exchange,
  bucket: Bucket,
  { entryName, lengthBytes }: RecordData,
  bytes: number = lengthBytes,
): void {
  deps.reads?.observe(bucket.id, [entryName], 1, exchange.isHead ? 0 : bytes);
}

/** @param entryName of a batch of protocol v1; those of a batch of protocol v2 are in its headers. */
export function countBatch(
  { deps }: Front,
  exchange: Exchange,
  bucket: Bucket,
  { headerLines, recordCount, bodyBytes }: ReadBatch,
  entryName: string | undefined,
): void {
  if (deps.reads === undefined) return;
  const names = entryName === undefined ? entryNamesOf(headerLines) : [entryName];
  deps.reads.observe(bucket.id, names, recordCount, exchange.isHead ? 0 : bodyBytes);
}

function entryNamesOf(headerLines: string): string[] {
  const end = headerLines.indexOf('\r\n');
  if (!headerLines.startsWith(ENTRIES_LINE) || end === ENTRIES_LINE.length) return [];
  const names = headerLines.slice(ENTRIES_LINE.length, end === -1 ? undefined : end).split(',');
  return names.map((name) => percentDecode(name.trim(), 'keep') ?? name);
}
