/** Lists of buckets a token may read or write (http-api §3.3), and what renames and removals of buckets do to them. */
import { ApiError } from '../errors/errors.ts';

/** In the form of the wire. */
export interface Permissions {
  readonly full_access: boolean;
  readonly read: readonly string[];
  readonly write: readonly string[];
}

const ITEM = /^[*a-zA-Z0-9_-]+$/;

/** Names of the server's own buckets begin with this; no wildcard reaches them. */
const OWN_BUCKET = '$';

/** @throws ApiError 422 with the text of http-api §3.6. */
export function checkPermissions({ read, write }: Permissions): void {
  for (const item of [...read, ...write]) {
    if (item.startsWith(OWN_BUCKET) || ITEM.test(item)) continue;
    throw new ApiError(
      422,
      `Permission can contain only bucket names or wildcard '*', got '${item}'`,
    );
  }
}

/** A list, made ready for matching. */
export class BucketMatcher {
  readonly #exact: ReadonlySet<string>;
  readonly #prefixes: readonly string[];

  constructor(items: readonly string[]) {
    this.#exact = new Set(items);
    this.#prefixes = items.filter((item) => item.endsWith('*')).map((item) => item.slice(0, -1));
  }

  matches(bucketName: string): boolean {
    if (this.#exact.has(bucketName)) return true;
    if (this.#prefixes.length === 0 || bucketName.startsWith(OWN_BUCKET)) return false;
    return this.#prefixes.some((prefix) => bucketName.startsWith(prefix));
  }
}

/**
 * The permissions after a bucket got another name, or none any more. Only exact items change.
 * @param newName undefined when the bucket is removed.
 * @returns undefined when nothing changes.
 */
export function withBucketRenamed(
  permissions: Permissions,
  name: string,
  newName: string | undefined,
): Permissions | undefined {
  const { full_access, read, write } = permissions;
  if (!read.includes(name) && !write.includes(name)) return undefined;
  const change = (items: readonly string[]): string[] =>
    newName === undefined
      ? items.filter((item) => item !== name)
      : items.map((item) => (item === name ? newName : item));
  return { full_access, read: change(read), write: change(write) };
}
