/** The requests that carry records (replication §5.3). */
import { Readable } from 'node:stream';
import { ApiError } from '../../errors/errors.ts';
import { type Batch, firstTsOf, type LargeBody } from '../scan/batch.ts';
import { extendPath, PATH_HEADER } from '../replication-path.ts';
import { encodePath } from '../scan/entry-path.ts';
import type { MetaInfo } from '../scan/meta-cache.ts';
import type { BodyCompressor, Coding } from './compression.ts';
import type { RecordSource } from './record-source.ts';
import type { HttpRequest } from './target-client.ts';

/** A request, and what became of reading its body. */
export interface BatchRequest {
  readonly request: HttpRequest;
  /** Set while the body is read: content that the source no longer has. */
  readonly source: { gone: ApiError | null };
  /** Compressed bytes that the connection has taken so far; `null`: the body goes out as it is. */
  readonly wire: { readonly bytes: number } | null;
}

/**
 * The request for a batch: batch v1, or a single-record request where labels do not fit into a batch header.
 * @param ownPlace the bucket that sends, for the path of what it sends; `null`: none is told.
 */
export function newBatchRequest(
  batch: Batch,
  bucketName: string,
  records: RecordSource,
  ownPlace: string | null = null,
): BatchRequest {
  const source: BatchRequest['source'] = { gone: null };
  const { body, single, kind, bodyBytes } = batch;
  const place = `b/${encodePath(bucketName)}/${batch.entryPath}`;
  const content = Buffer.isBuffer(body)
    ? body
    : Readable.from(readLarge(records, batch, body, source));
  if (single !== undefined) {
    const headers = singleHeaders(single, bodyBytes);
    if (ownPlace !== null) headers.push(PATH_HEADER, extendPath(ownPlace, batch.path));
    const path = `${place}?ts=${firstTsOf(batch)}`;
    const request = { method: 'POST', path, headers, recordHeaders: null, body: content } as const;
    return { request, source, wire: null };
  }
  const method = kind === 'write' ? 'POST' : 'PATCH';
  const headers = [...BATCH_HEADERS, `${bodyBytes}`];
  if (ownPlace !== null) headers.push(PATH_HEADER, extendPath(ownPlace, batch.path));
  const path = `${place}/batch`;
  const request = { method, path, headers, recordHeaders: batch, body: content } as const;
  return { request, source, wire: null };
}

/** The same request with a compressed body, which has no length (replication §5.4). */
export async function compressRequest(
  plain: BatchRequest,
  batch: Batch,
  coding: Coding,
  compressor: BodyCompressor,
): Promise<BatchRequest> {
  const { body, headers: plainHeaders } = plain.request;
  if (batch.kind === 'update' || batch.single !== undefined || body === null) return plain;
  const compressed = await compressor.compress(batch, body, coding);
  if (compressed === null) return plain;
  const lengthAt = plainHeaders.indexOf('content-length');
  const headers = plainHeaders.toSpliced(lengthAt, 2, 'content-encoding', coding);
  const request = { ...plain.request, headers, body: compressed.content };
  return { ...plain, request, wire: compressed.wire };
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

/** Content of a large record; remembers that the source has it no more, whatever the connection makes of that. */
async function* readLarge(
  records: RecordSource,
  batch: Batch,
  body: LargeBody,
  source: BatchRequest['source'],
): AsyncGenerator<Buffer> {
  try {
    yield* records.readLarge(batch, body);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) source.gone = error;
    throw error;
  }
}
