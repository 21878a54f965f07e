/**
 * Records that a target has already: are they ours? The same size and labels are taken for the same record; where only the
 * labels differ the contents decide, because labels change on either side.
 */
import { createHash } from 'node:crypto';
import { BatchV1Parser } from '../../wire/batch-v1.ts';
import { type Batch, lengthOfLine, recordLines, tsOfLine } from '../scan/batch.ts';
import { joinRecordHeaders } from '../scan/record-headers.ts';
import { requestBody } from './answer-body.ts';
import type { RecordSource } from './record-source.ts';
import {
  newRecordRequest,
  readTargetRecords,
  TargetLookupError,
  type TargetPlace,
  type TargetRecord,
  toLabelMap,
} from './target-records.ts';

/**
 * - `same`: size and labels are equal;
 * - `other-labels`: size and content are equal, labels are not;
 * - otherwise another record, and how it differs.
 */
export type Comparison =
  | { readonly kind: 'same' | 'other-labels' }
  | { readonly kind: 'other-record'; readonly difference: string };

/**
 * Compares records of a batch with those of the target.
 * @param lines their header lines, ascending in time.
 * @throws TargetLookupError when the target does not show one of them, ApiError 404 when the source has one no more, and
 *   what requests reject with.
 */
export async function compareRecords(
  place: TargetPlace,
  records: RecordSource,
  batch: Batch,
  lines: readonly string[],
): Promise<ReadonlyMap<bigint, Comparison>> {
  const theirs = await readTargetRecords(place, lines.map(tsOfLine));
  const parser = new BatchV1Parser();
  const compared = new Map<bigint, Comparison>();
  for (const line of lines) {
    const ts = tsOfLine(line);
    const record = theirs.get(ts);
    if (record === undefined) continue;
    const length = lengthOfLine(line);
    if (record.lengthBytes !== length) {
      const difference = `${length} bytes here, ${record.lengthBytes} bytes there`;
      compared.set(ts, { kind: 'other-record', difference });
    } else if (hasLabels(record, labelsOf(batch, line, parser))) {
      compared.set(ts, { kind: 'same' });
    } else if (await hasContent(place, records, batch, line)) {
      compared.set(ts, { kind: 'other-labels' });
    } else {
      compared.set(ts, { kind: 'other-record', difference: `other content of ${length} bytes` });
    }
  }
  return compared;
}

/** An update that gives the target's records the labels of these lines; records without labels are left out. */
export function toLabelUpdate(batch: Batch, lines: readonly string[]): Batch | undefined {
  const updates: string[] = [];
  for (const line of lines) {
    const labelsAt = line.indexOf(',', line.indexOf(',') + 1);
    if (labelsAt !== -1) {
      updates.push(`${line.slice(0, line.indexOf(':'))}: 0,${line.slice(labelsAt)}`);
    }
  }
  if (updates.length === 0) return undefined;
  return {
    ...batch,
    kind: 'update',
    ...joinRecordHeaders(updates),
    recordCount: updates.length,
    bodyBytes: 0,
    body: Buffer.alloc(0),
    isFollowUp: true,
  };
}

/** Labels of a record as the batch carries them. */
function labelsOf(batch: Batch, line: string, parser: BatchV1Parser): ReadonlyMap<string, string> {
  if (batch.single !== undefined) return toLabelMap(batch.single.labels);
  return toLabelMap(parser.parse(line.slice(line.indexOf(':') + 2)).labels);
}

function hasLabels({ labels: theirs }: TargetRecord, ours: ReadonlyMap<string, string>): boolean {
  if (theirs.size !== ours.size) return false;
  for (const [name, value] of ours) if (theirs.get(name) !== value) return false;
  return true;
}

async function hasContent(
  place: TargetPlace,
  records: RecordSource,
  batch: Batch,
  line: string,
): Promise<boolean> {
  const { body } = batch;
  const ours = Buffer.isBuffer(body)
    ? [contentOf(batch, body, line)]
    : records.readLarge(batch, body);
  return hasSameContent(place, tsOfLine(line), await digestOf(ours));
}

/** SHA-256 of content in pieces. */
export async function digestOf(pieces: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<Buffer> {
  const hash = createHash('sha256');
  for await (const piece of pieces) hash.update(piece);
  return hash.digest();
}

/** Reads the target's record. @param digest SHA-256 of ours. @throws TargetLookupError, and what requests reject with. */
export async function hasSameContent(
  place: TargetPlace,
  ts: bigint,
  digest: Buffer,
): Promise<boolean> {
  const theirs = createHash('sha256');
  const request = newRecordRequest(place, ts, 'GET');
  const answer = await requestBody(place.client, request, place.group, (piece) => {
    theirs.update(piece);
  });
  if (answer.status !== 200) throw new TargetLookupError(answer, ts);
  return theirs.digest().equals(digest);
}

function contentOf(batch: Batch, body: Buffer, wanted: string): Buffer {
  let at = 0;
  for (const line of recordLines(batch)) {
    if (line === wanted) return body.subarray(at, at + lengthOfLine(line));
    at += lengthOfLine(line);
  }
  return body.subarray(0, 0);
}
