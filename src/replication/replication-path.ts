/**
 * The buckets that a record or a change came through, so that it is not sent back to one of them (replication §5.11): a list
 * of `<instance>:<bucket id>`, the newest first, in a header of our own. Buckets and not only instances, because a record may
 * well go from one bucket of an instance to another one of it.
 *
 * It saves traffic and ends circles of label updates. Where it is missing (servers that do not know it, a path that was cut)
 * circles end nevertheless: a record that is there already, and an update that changes nothing, are no events.
 */

/** In lower case, as servers give it. */
export const PATH_HEADER = 'x-replication-path';

/** Longer ways lose their beginning. */
const MAX_PLACES = 16;

const PATH = /^[\w-]{8,64}:\d{1,10}(?:,[\w-]{8,64}:\d{1,10}){0,31}$/;

/** Name of a bucket on paths. */
export function placeOf(instanceId: string, bucketId: number): string {
  return `${instanceId}:${bucketId}`;
}

/** @returns the value of the header, empty when it is none: what cannot be read is no reason to refuse records. */
export function acceptedPath(value: string): string {
  const path = value.replaceAll(' ', '');
  return PATH.test(path) ? path : '';
}

/** The path of what `place` sends on. @param path by which it came there; empty for what was written there. */
export function extendPath(place: string, path: string): string {
  if (path === '') return place;
  return [place, ...path.split(',').slice(0, MAX_PLACES - 1)].join(',');
}

export function isOnPath(place: string, path: string): boolean {
  return path !== '' && path.split(',').includes(place);
}
