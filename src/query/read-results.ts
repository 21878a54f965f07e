/** What jobs found, as the front takes it. */
import { formatBatchV2 } from '../wire/batch-v2-format.ts';
import type { QueryProgress } from './job.ts';
import type { ReadBatch, RecordData } from './types.ts';

/** What a multi-entry read that found nothing in time answers with. */
export const EMPTY_BATCH: ReadBatch = {
  headerLines: formatBatchV2([], 0n, []),
  recordCount: 0,
  bodyBytes: 0,
  body: [],
  last: false,
};

/** @param last no read behind this one finds anything. */
export function toBatch(progress: QueryProgress, last: boolean): ReadBatch {
  const { headerLines, recordCount, bodyBytes, body } = progress;
  return { headerLines, recordCount, bodyBytes, body, last };
}

/** @returns undefined when the job found none. */
export function toRecord(progress: QueryProgress, withBody: boolean): RecordData | undefined {
  const { record, bodyBytes } = progress;
  if (record === undefined) return undefined;
  const [part] = progress.body;
  const head = { ...record, lengthBytes: bodyBytes };
  if (!withBody) return { ...head, payload: undefined, large: undefined };
  if (part === undefined) return { ...head, payload: new Uint8Array(0), large: undefined };
  if (part instanceof Uint8Array) return { ...head, payload: part, large: undefined };
  const { uploadId, chunkBytes } = part;
  return { ...head, payload: undefined, large: { uploadId, chunkBytes } };
}
