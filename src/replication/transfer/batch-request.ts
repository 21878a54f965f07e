/** The requests that carry records (replication §5.3). */
import { Readable } from 'node:stream';
import { ApiError } from '../../errors/errors.ts';
import { COLUMN_BLOCKS } from '../../store/format.ts';
import { chunkKey } from '../../store/keys.ts';
import type { RocksReader } from '../../store/rocks.ts';
import { type Batch, firstTsOf } from '../scan/batch.ts';
import { encodePath } from '../scan/entry-path.ts';
import type { MetaInfo } from '../scan/meta-cache.ts';
import type { HttpRequest } from './target-client.ts';

/** A request, and what became of reading its body. */
export interface BatchRequest {
  readonly request: HttpRequest;
  /** Set while the body is read: content that the source no longer has. */
  readonly source: { gone: ApiError | null };
}

/** The request for a batch: batch v1, or a single-record request where labels do not fit into a batch header. */
export function newBatchRequest(
  batch: Batch,
  bucketName: string,
  store: RocksReader,
): BatchRequest {
  const source: BatchRequest['source'] = { gone: null };
  const { body, single, kind, bodyBytes } = batch;
  const place = `b/${encodePath(bucketName)}/${batch.entryPath}`;
  const content = Buffer.isBuffer(body) ? body : Readable.from(readLarge(batch, store, source));
  if (single !== undefined) {
    const headers = singleHeaders(single, bodyBytes);
    const path = `${place}?ts=${firstTsOf(batch)}`;
    const request = { method: 'POST', path, headers, recordHeaders: null, body: content } as const;
    return { request, source };
  }
  const method = kind === 'write' ? 'POST' : 'PATCH';
  const headers = [...BATCH_HEADERS, `${bodyBytes}`];
  const path = `${place}/batch`;
  return { request: { method, path, headers, recordHeaders: batch, body: content }, source };
}

const BATCH_HEADERS = ['content-type', 'application/octet-stream', 'content-length'] as const;

function singleHeaders({ contentType, labels }: MetaInfo, lengthBytes: number): string[] {
  const headers = ['content-length', `${lengthBytes}`];
  if (contentType !== '') headers.push('content-type', contentType);
  for (let i = 0; i + 1 < labels.length; i += 2) {
    headers.push(`x-reduct-label-${labels[i] ?? ''}`, labels[i + 1] ?? '');
  }
  return headers;
}

/** Text of the error for a record that the source no longer has. */
export function goneText({ entryName }: Batch, ts: bigint): string {
  return `Record ${ts} not found in entry ${entryName}`;
}

/** Asks how large the target's record is. */
export function newHeadRequest(batch: Batch, ts: bigint, bucketName: string): HttpRequest {
  const path = `b/${encodePath(bucketName)}/${batch.entryPath}?ts=${ts}`;
  return { method: 'HEAD', path, headers: [], recordHeaders: null, body: null };
}

/**
 * Chunks of a large record, one at a time, so that content of any size passes through little memory. When one is missing
 * the body breaks off, which destroys the connection: the target must not take the rest for the whole.
 */
async function* readLarge(
  batch: Batch,
  store: RocksReader,
  source: BatchRequest['source'],
): AsyncGenerator<Buffer> {
  const { body, bodyBytes } = batch;
  if (Buffer.isBuffer(body)) return;
  const chunks = Math.ceil(bodyBytes / body.chunkBytes);
  for (let chunk = 0; chunk < chunks; chunk++) {
    const bytes = await store.getAsync(COLUMN_BLOCKS, chunkKey(body.uploadId, chunk));
    if (bytes === undefined) {
      source.gone = new ApiError(404, goneText(batch, firstTsOf(batch)));
      throw source.gone;
    }
    yield bytes;
  }
}
