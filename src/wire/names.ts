/** Rules for names (http-api §1.8). Only operations that can create something check them. */
import { ApiError } from '../errors/errors.ts';

const BUCKET_NAME = /^[A-Za-z0-9_-]+$/;
const ENTRY_CHARACTERS = /^[A-Za-z0-9_/-]+$/;
const META_SUFFIX = '/$meta';

/** @throws ApiError 422 with the text of the contract (its spelling is official). */
export function checkBucketName(name: string): void {
  if (!BUCKET_NAME.test(name)) {
    throw new ApiError(
      422,
      'Bucket or entry name can contain only letters, digests and [-,_] symbols',
    );
  }
}

/** Accepts hierarchical names and their `$meta` entries. @throws ApiError 422. */
export function checkEntryName(name: string): void {
  if (name === '$meta') return;
  const plain = name.endsWith(META_SUFFIX) ? name.slice(0, -META_SUFFIX.length) : name;
  if (plain === '' || plain.startsWith('/') || plain.endsWith('/') || plain.includes('//')) {
    throw new ApiError(
      422,
      'Entry name must be non-empty and must not contain empty path segments',
    );
  }
  if (!ENTRY_CHARACTERS.test(plain)) {
    throw new ApiError(
      422,
      "Entry name can contain only letters, digits and [-,_,/] symbols or end with '/$meta'",
    );
  }
}

/** True for entries that hold attachments; lists never show them. */
export function isMetaEntryName(name: string): boolean {
  return name === '$meta' || name.endsWith(META_SUFFIX);
}

/** All parents of an entry, outermost first: `a/b/c` → `a`, `a/b`. */
export function parentEntryNames(name: string): string[] {
  const parents: string[] = [];
  for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1)) {
    parents.push(name.slice(0, at));
  }
  return parents;
}
