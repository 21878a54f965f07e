/** Work that must not hold up the commit groups between its parts. */

/**
 * Calls `take` once per turn of the event loop, the first time at once, until it returns false.
 * @param take does one slice; false: nothing is left.
 */
export function inSlices(take: () => boolean): void {
  if (take()) setImmediate(() => inSlices(take));
}
