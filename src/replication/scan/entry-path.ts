/** Names of entries at the target, as they stand in a path (replication §5.2, §5.3). */

/** `<prefix>/<entry>` with every segment percent-encoded; `/` and `$` stay. */
export function entryPath(dstPrefix: string, entryName: string): string {
  const prefix = dstPrefix.replace(/^\/+|\/+$/g, '');
  return encodePath(prefix === '' ? entryName : `${prefix}/${entryName}`);
}

/** Percent-encodes the segments of a path. */
export function encodePath(path: string): string {
  return path
    .split('/')
    .map((segment) => encodeURIComponent(segment).replaceAll('%24', '$'))
    .join('/');
}
