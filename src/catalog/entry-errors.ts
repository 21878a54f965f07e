/** Refusals that name an entry and its bucket. */
import { ApiError } from '../errors/errors.ts';
import { isMetaEntryName } from '../wire/names.ts';
import type { Entry } from './model.ts';

export function entryMissing(bucketName: string, entryName: string): ApiError {
  return new ApiError(404, `Entry '${entryName}' not found in bucket '${bucketName}'`);
}

export function entryDeleting(entry: Entry): ApiError {
  const text = `Entry '${entry.name}' in bucket '${entry.bucket.name}' is being deleted`;
  return new ApiError(409, text);
}

export function entryExists(bucketName: string, entryName: string): ApiError {
  return new ApiError(409, `Entry '${entryName}' already exists in bucket '${bucketName}'`);
}

export function recordMissing({ bucket, name }: Entry, ts: bigint): ApiError {
  return new ApiError(404, `Record ${ts} not found in entry ${bucket.name}/${name}`);
}

/** An entry with attachments stays one under another name. @throws ApiError 422; the contract is silent here. */
export function checkKeepsKind(entryName: string, newName: string): void {
  if (isMetaEntryName(entryName) === isMetaEntryName(newName)) return;
  throw new ApiError(
    422,
    `Entry '${entryName}' can't be renamed to '${newName}': only one of them is a system entry`,
  );
}
