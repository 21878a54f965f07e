/**
 * The places of one path of replication that are on another one, too, in its order (see `src/replication/replication-path.ts`).
 * @param path of a record. @param other of a change of that record.
 */
export function sharedPath(path: string, other: string): string {
  if (path === '' || path === other) return path;
  const places = new Set(other.split(','));
  return path
    .split(',')
    .filter((place) => places.has(place))
    .join(',');
}
