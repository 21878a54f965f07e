/** What a target has at given timestamps: one query for many records, single requests for few. */
import { ApiError } from '../../errors/errors.ts';
import { BATCH_V1_PREFIX, BatchV1Parser } from '../../wire/batch-v1.ts';
import type { AnswerHeaders } from '../answer-headers.ts';
import { encodePath } from '../scan/entry-path.ts';
import { requestText } from './answer-body.ts';
import type { HttpAnswer, RequestGroup } from './exchange.ts';
import type { HttpRequest, TargetClient } from './target-client.ts';

/** A record of the target, without its content. */
export interface TargetRecord {
  readonly lengthBytes: number;
  readonly labels: ReadonlyMap<string, string>;
}

/** Where the records are. */
export interface TargetPlace {
  readonly client: TargetClient;
  readonly bucketName: string;
  /** Percent-encoded. */
  readonly entryPath: string;
  readonly group: RequestGroup;
}

/** So many records are asked for one by one: that costs one round trip less than a query. */
const FEW_RECORDS = 4;
/** Requests for single records at the same time. */
const PARALLEL_HEADS = 8;
/** Answers read of one query: records of others may lie between ours. */
const MAX_READS = 8;
const MAX_ID_BYTES = 64 * 1024;

const LABEL_PREFIX = 'x-reduct-label-';

/** The target did not say what it has. */
export class TargetLookupError extends Error {
  readonly answer: HttpAnswer;
  /** Timestamp of the record that was asked for, µs; `null`: of no one alone. */
  readonly ts: bigint | null;

  constructor(answer: HttpAnswer, ts: bigint | null = null) {
    super(`status ${answer.status}`);
    this.name = 'TargetLookupError';
    this.answer = answer;
    this.ts = ts;
  }
}

/**
 * The target's records of these timestamps.
 * @param timestamps µs, ascending.
 * @throws TargetLookupError for a record that the target does not show; and what `TargetClient.request` rejects with.
 */
export async function readTargetRecords(
  place: TargetPlace,
  timestamps: readonly bigint[],
): Promise<ReadonlyMap<bigint, TargetRecord>> {
  const found = new Map<bigint, TargetRecord>();
  if (timestamps.length > FEW_RECORDS) await queryRecords(place, timestamps, found);
  // What a query does not show (attachments that are marked as removed, for one) is asked for by name.
  const rest = timestamps.filter((ts) => !found.has(ts));
  for (let at = 0; at < rest.length; at += PARALLEL_HEADS) {
    const part = rest.slice(at, at + PARALLEL_HEADS);
    const records = await Promise.all(part.map((ts) => readHead(place, ts)));
    for (const [index, ts] of part.entries()) {
      const record = records[index];
      if (record !== undefined) found.set(ts, record);
    }
  }
  return found;
}

/** GET, HEAD or DELETE of one record. */
export function newRecordRequest(
  { bucketName, entryPath }: TargetPlace,
  ts: bigint,
  method: 'GET' | 'HEAD' | 'DELETE',
): HttpRequest {
  const path = `b/${encodePath(bucketName)}/${entryPath}?ts=${ts}`;
  return { method, path, headers: [], recordHeaders: null, body: null };
}

/** Label names in these headers are in lower case, and those that are no header tokens are missing. */
async function readHead(place: TargetPlace, ts: bigint): Promise<TargetRecord> {
  const answer = await place.client.request(newRecordRequest(place, ts, 'HEAD'), place.group);
  const { status, headers } = answer;
  const lengthBytes = Number(textOf(headers, 'content-length') ?? Number.NaN);
  if (status !== 200 || !Number.isSafeInteger(lengthBytes)) throw new TargetLookupError(answer, ts);
  const labels = new Map<string, string>();
  for (const name of Object.keys(headers)) {
    if (!name.startsWith(LABEL_PREFIX)) continue;
    labels.set(name.slice(LABEL_PREFIX.length), textOf(headers, name) ?? '');
  }
  return { lengthBytes, labels };
}

async function queryRecords(
  place: TargetPlace,
  timestamps: readonly bigint[],
  found: Map<bigint, TargetRecord>,
): Promise<void> {
  const { client, bucketName, entryPath, group } = place;
  const path = `b/${encodePath(bucketName)}/${entryPath}`;
  const id = await openQuery(place, path, timestamps);
  if (id === undefined) return;
  const wanted = new Set(timestamps);
  const request: HttpRequest = {
    method: 'HEAD',
    path: `${path}/batch?q=${id}`,
    headers: [],
    recordHeaders: null,
    body: null,
  };
  for (let read = 0; read < MAX_READS && found.size < wanted.size; read++) {
    const { status, headers } = await client.request(request, group);
    if (status !== 200) return;
    takeRecords(headers, wanted, found);
    if (textOf(headers, 'x-reduct-last') === 'true') return;
  }
}

/** @returns undefined when the target makes no such query: old ones do not know them. */
async function openQuery(
  { client, group }: TargetPlace,
  path: string,
  timestamps: readonly bigint[],
): Promise<string | undefined> {
  const first = timestamps[0] ?? 0n;
  const last = timestamps.at(-1) ?? first;
  const bounds = `"start":${first},"stop":${last + 1n}`;
  const body = Buffer.from(`{"query_type":"QUERY",${bounds},"only_metadata":true}`);
  const headers = ['content-type', 'application/json', 'content-length', `${body.length}`];
  const request = {
    method: 'POST',
    path: `${path}/q`,
    headers,
    recordHeaders: null,
    body,
  } as const;
  const { status, text } = await requestText(client, request, group, MAX_ID_BYTES);
  return status === 200 ? /"id"\s*:\s*(\d+)/.exec(text)?.[1] : undefined;
}

function takeRecords(
  headers: AnswerHeaders,
  wanted: ReadonlySet<bigint>,
  found: Map<bigint, TargetRecord>,
): void {
  const parser = new BatchV1Parser();
  for (const name of Object.keys(headers)) {
    if (!name.startsWith(BATCH_V1_PREFIX)) continue;
    const digits = name.slice(BATCH_V1_PREFIX.length);
    const ts = /^\d{1,20}$/.test(digits) ? BigInt(digits) : undefined;
    if (ts === undefined || !wanted.has(ts)) continue;
    const record = readLine(parser, textOf(headers, name) ?? '');
    if (record !== undefined) found.set(ts, record);
  }
}

/** @returns undefined for what cannot be read; it is asked for by name then. */
function readLine(parser: BatchV1Parser, value: string): TargetRecord | undefined {
  try {
    const { lengthBytes, labels } = parser.parse(value);
    return { lengthBytes, labels: toLabelMap(labels) };
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
}

/** From a flat list of names and values. */
export function toLabelMap(labels: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i + 1 < labels.length; i += 2) map.set(labels[i] ?? '', labels[i + 1] ?? '');
  return map;
}

function textOf(headers: AnswerHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}
