/** What a read-only instance answers to changes (http-api §1.12, replication §1.1). */
import { ApiError } from './errors.ts';

/** To changes of buckets, entries and records. */
export function storageReadOnly(): ApiError {
  return new ApiError(403, 'Cannot perform this operation in read-only mode');
}

/** To everything else. @param what the operation, such as `create replication`. */
export function readOnlyRefusal(what: string): ApiError {
  return new ApiError(403, `Cannot ${what} in read-only mode`);
}
