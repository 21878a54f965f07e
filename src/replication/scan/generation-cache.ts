/**
 * A cache bounded in bytes, in two generations: when the young one holds half of the bound it becomes the old one, and what
 * was old is dropped. Constant time per operation, where dropping single oldest entries of a `Map` has to step over all
 * places that were freed before them. Policy when full: `drop_older_half`.
 */
export class GenerationCache<K, V> {
  readonly #halfBytes: number;
  #young: Map<K, V> = new Map();
  #old: Map<K, V> = new Map();
  #youngBytes = 0;
  #oldBytes = 0;
  hits = 0;
  misses = 0;
  /** Entries dropped because the cache was full. */
  evictions = 0;

  constructor(maxBytes: number) {
    this.#halfBytes = maxBytes / 2;
  }

  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  get(key: K): V | undefined {
    const value = this.#young.get(key) ?? this.#old.get(key);
    if (value === undefined) this.misses++;
    else this.hits++;
    return value;
  }

  /** Adds or replaces. What is larger than half of the bound is not kept. */
  add(key: K, value: V, bytes: number): void {
    if (bytes > this.#halfBytes) return;
    if (this.#youngBytes + bytes > this.#halfBytes) this.#age();
    this.#young.set(key, value);
    // A replaced entry stays counted until its generation goes: too much rather than too little.
    this.#youngBytes += bytes;
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
    this.#youngBytes = 0;
    this.#oldBytes = 0;
  }

  #age(): void {
    this.evictions += this.#old.size;
    this.#old = this.#young;
    this.#oldBytes = this.#youngBytes;
    this.#young = new Map();
    this.#youngBytes = 0;
  }
}
