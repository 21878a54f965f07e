/** Why records of an entry must not be changed any more. */
import { entryDeleting } from '../catalog/entry-errors.ts';
import type { Entry } from '../catalog/model.ts';
import { ApiError } from '../errors/errors.ts';

/** The 409 of an entry, or bucket, that is being deleted, or null. */
export function deletingRefusal(entry: Entry): ApiError | null {
  const { bucket } = entry;
  if (bucket.status === 'DELETING') {
    return new ApiError(409, `Bucket '${bucket.name}' is being deleted`);
  }
  return entry.status === 'DELETING' ? entryDeleting(entry) : null;
}
