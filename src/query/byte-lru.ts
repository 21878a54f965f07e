/** A least-recently-used cache bounded in bytes. */

interface Cached<V> {
  readonly value: V;
  readonly bytes: number;
}

export class ByteLru<K, V> {
  readonly #cached = new Map<K, Cached<V>>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Sum over the values held, as given to `set`. */
  get bytes(): number {
    return this.#bytes;
  }

  has(key: K): boolean {
    return this.#cached.has(key);
  }

  /** The value, which becomes the most recently used one. */
  get(key: K): V | undefined {
    const cached = this.#cached.get(key);
    if (cached === undefined) return undefined;
    this.#cached.delete(key);
    this.#cached.set(key, cached);
    return cached.value;
  }

  /** Drops the values used longest ago until the bound holds; a value above the bound is not kept at all. */
  set(key: K, value: V, bytes: number): void {
    const old = this.#cached.get(key);
    if (old !== undefined) this.#drop(key, old);
    if (bytes > this.#maxBytes) return;
    for (const [oldestKey, oldest] of this.#cached) {
      if (this.#bytes + bytes <= this.#maxBytes) break;
      this.#drop(oldestKey, oldest);
    }
    this.#cached.set(key, { value, bytes });
    this.#bytes += bytes;
  }

  #drop(key: K, cached: Cached<V>): void {
    this.#cached.delete(key);
    this.#bytes -= cached.bytes;
  }
}
