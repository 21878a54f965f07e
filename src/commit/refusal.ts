/** Why records of an entry must not be changed any more. */
import type { Entry } from '../catalog/model.ts';
import { ApiError } from '../errors/errors.ts';

/** The 409 of an entry, or bucket, that is being deleted, or null. */
export function deletingRefusal({ bucket, name, status }: Entry): ApiError | null {
  if (bucket.status === 'DELETING') {
    return new ApiError(409, `Bucket '${bucket.name}' is being deleted`);
  }
  if (status === 'DELETING') {
    return new ApiError(409, `Entry '${name}' in bucket '${bucket.name}' is being deleted`);
  }
  return null;
}
