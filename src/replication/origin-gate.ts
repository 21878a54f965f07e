/**
 * Tasks whose target is unreachable, by origin: the first of them, the scout, knocks for all. When one gets through, all
 * go on. So a dead target costs one connect at a time, however many tasks send to it. Pure bookkeeping.
 */
export class OriginGate<T> {
  readonly #waiting: Map<string, Set<T>> = new Map();
  readonly #origins: Map<T, string> = new Map();

  /** An item waits for one origin at a time. @returns whether it is the scout there. */
  join(origin: string, item: T): boolean {
    let items = this.#waiting.get(origin);
    if (items === undefined) {
      items = new Set();
      this.#waiting.set(origin, items);
    }
    items.add(item);
    this.#origins.set(item, origin);
    return firstOf(items) === item;
  }

  /** @returns the new scout, when the item was a scout and others wait. */
  leave(item: T): T | undefined {
    const origin = this.#origins.get(item);
    const items = origin === undefined ? undefined : this.#waiting.get(origin);
    if (origin === undefined || items === undefined) return undefined;
    const wasScout = firstOf(items) === item;
    items.delete(item);
    this.#origins.delete(item);
    if (items.size === 0) this.#waiting.delete(origin);
    return wasScout ? firstOf(items) : undefined;
  }

  /** The origin answers. @returns all that waited for it. */
  release(origin: string): readonly T[] {
    const items = [...(this.#waiting.get(origin) ?? [])];
    this.#waiting.delete(origin);
    for (const item of items) this.#origins.delete(item);
    return items;
  }
}

function firstOf<T>(items: ReadonlySet<T>): T | undefined {
  for (const item of items) return item;
  return undefined;
}
