/** Records of one entry of a target in the order of time, batch by batch, with hashes of their contents if asked for. */
import { createHash, type Hash } from 'node:crypto';
import { BATCH_V1_PREFIX, BatchV1Parser } from '../../wire/batch-v1.ts';
import type { AnswerHeaders } from '../answer-headers.ts';
import { encodePath } from '../scan/entry-path.ts';
import { requestBody, requestText } from '../transfer/answer-body.ts';
import type { HttpAnswer } from '../transfer/exchange.ts';
import type { HttpRequest } from '../transfer/target-client.ts';
import { TargetLookupError, type TargetPlace, toLabelMap } from '../transfer/target-records.ts';

export interface TargetRecord {
  readonly ts: bigint;
  readonly lengthBytes: number;
  readonly labels: ReadonlyMap<string, string>;
  /** SHA-256 of its content; undefined when it was not read. */
  readonly digest: Buffer | undefined;
}

/** A query is read to its end well within this time, or opened again. */
const QUERY_TTL_S = 600;
const MAX_ID_BYTES = 64 * 1024;

/**
 * @param fromTs µs, inclusive. @param stopTs µs, exclusive.
 * @throws TargetLookupError for refusals, and what requests reject with. A missing bucket or entry is an empty one.
 */
export async function* targetRecords(
  place: TargetPlace,
  fromTs: bigint,
  stopTs: bigint,
  withContent: boolean,
): AsyncGenerator<TargetRecord> {
  const path = `b/${encodePath(place.bucketName)}/${place.entryPath}`;
  const id = await openQuery(place, path, fromTs, stopTs, withContent);
  if (id === undefined) return;
  const method = withContent ? 'GET' : 'HEAD';
  const request = { ...NO_BODY, method, path: `${path}/batch?q=${id}` } as const;
  for (;;) {
    const { answer, records } = withContent
      ? await readContents(place, request)
      : await readHeaders(place, request);
    if (answer.status === 204) return;
    if (answer.status !== 200) throw new TargetLookupError(answer);
    yield* records;
    if (firstOf(answer.headers['x-reduct-last']) === 'true') return;
  }
}

const NO_BODY = { headers: [], recordHeaders: null, body: null } as const;

/** @returns undefined when there is no such bucket or entry. */
async function openQuery(
  { client, group }: TargetPlace,
  path: string,
  fromTs: bigint,
  stopTs: bigint,
  withContent: boolean,
): Promise<string | undefined> {
  const range = `"start":${fromTs},"stop":${stopTs}`;
  const body = Buffer.from(
    `{"query_type":"QUERY",${range},"ttl":${QUERY_TTL_S},"only_metadata":${!withContent}}`,
  );
  const headers = ['content-type', 'application/json', 'content-length', `${body.length}`];
  const request = {
    method: 'POST',
    path: `${path}/q`,
    headers,
    recordHeaders: null,
    body,
  } as const;
  const answer = await requestText(client, request, group, MAX_ID_BYTES);
  if (answer.status === 404) return undefined;
  const id = answer.status === 200 ? /"id"\s*:\s*(\d+)/.exec(answer.text)?.[1] : undefined;
  if (id === undefined) throw new TargetLookupError(answer);
  return id;
}

function recordsOf(headers: AnswerHeaders): TargetRecord[] {
  const parser = new BatchV1Parser();
  const records: TargetRecord[] = [];
  for (const name of Object.keys(headers)) {
    if (!name.startsWith(BATCH_V1_PREFIX)) continue;
    const ts = BigInt(name.slice(BATCH_V1_PREFIX.length));
    const { lengthBytes, labels } = parser.parse(firstOf(headers[name]));
    records.push({ ts, lengthBytes, labels: toLabelMap(labels), digest: undefined });
  }
  return records.sort((a, b) => (a.ts < b.ts ? -1 : 1));
}

interface ReadBatch {
  readonly answer: HttpAnswer;
  readonly records: readonly TargetRecord[];
}

async function readHeaders(place: TargetPlace, request: HttpRequest): Promise<ReadBatch> {
  const answer = await place.client.request(request, place.group);
  return { answer, records: answer.status === 200 ? recordsOf(answer.headers) : [] };
}

/** One batch with its contents, of which only the hashes are kept. */
async function readContents(place: TargetPlace, request: HttpRequest): Promise<ReadBatch> {
  let slicer: ContentSlicer | undefined;
  const answer = await requestBody(
    place.client,
    request,
    place.group,
    (piece) => slicer?.take(piece),
    ({ status, headers }) => {
      if (status === 200) slicer = new ContentSlicer(recordsOf(headers));
    },
  );
  return { answer, records: slicer?.finish() ?? [] };
}

/** Contents lie one behind the other, in the order of time. */
class ContentSlicer {
  readonly #records: readonly TargetRecord[];
  readonly #hashed: TargetRecord[] = [];
  #hash: Hash = createHash('sha256');
  #leftBytes: number;

  constructor(records: readonly TargetRecord[]) {
    this.#records = records;
    this.#leftBytes = records[0]?.lengthBytes ?? 0;
    this.#endRecords();
  }

  take(piece: Buffer): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#hashed.length === this.#records.length) throw new Error('The answer is too long');
      const end = Math.min(piece.length, at + this.#leftBytes);
      this.#hash.update(piece.subarray(at, end));
      this.#leftBytes -= end - at;
      at = end;
      this.#endRecords();
    }
  }

  /** @throws Error when content is missing. */
  finish(): readonly TargetRecord[] {
    if (this.#hashed.length < this.#records.length) throw new Error('The answer is too short');
    return this.#hashed;
  }

  #endRecords(): void {
    while (this.#leftBytes === 0 && this.#hashed.length < this.#records.length) {
      const record = this.#records[this.#hashed.length];
      if (record === undefined) return;
      this.#hashed.push({ ...record, digest: this.#hash.digest() });
      this.#hash = createHash('sha256');
      this.#leftBytes = this.#records[this.#hashed.length]?.lengthBytes ?? 0;
    }
  }
}

function firstOf(value: string | readonly string[] | undefined): string {
  return (typeof value === 'string' ? value : value?.[0]) ?? '';
}
