/** Refusals that name an entry and its bucket. */
import { ApiError } from '../errors/errors.ts';
import type { Entry } from './model.ts';

export function entryMissing(bucketName: string, entryName: string): ApiError {
  return new ApiError(404, `Entry '${entryName}' not found in bucket '${bucketName}'`);
}

export function entryDeleting(entry: Entry): ApiError {
  const text = `Entry '${entry.name}' in bucket '${entry.bucket.name}' is being deleted`;
  return new ApiError(409, text);
}
