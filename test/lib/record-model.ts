/** What a bucket holds according to the contract, in memory: entries, records, labels. No sizes, no storage. */

export interface ModelRecord {
  readonly payload: string;
  readonly labels: Readonly<Record<string, string>>;
}

export type Labels = Readonly<Record<string, string>>;

export class BucketModel {
  /** By name; entries without records are there, too. */
  readonly entries = new Map<string, Map<bigint, ModelRecord>>();

  /** @returns whether the record is new. */
  write(entryName: string, ts: bigint, record: ModelRecord): boolean {
    const entry = this.ensure(entryName);
    if (entry.has(ts)) return false;
    entry.set(ts, record);
    return true;
  }

  /** The entry, created with its parents where they are missing. */
  ensure(entryName: string): Map<bigint, ModelRecord> {
    for (let at = entryName.indexOf('/'); at !== -1; at = entryName.indexOf('/', at + 1)) {
      this.#create(entryName.slice(0, at));
    }
    return this.#create(entryName);
  }

  /** An empty value removes a label. @returns whether there is such a record. */
  update(entryName: string, ts: bigint, operations: Labels): boolean {
    const record = this.entries.get(entryName)?.get(ts);
    if (record === undefined) return false;
    const labels = Object.entries({ ...record.labels, ...operations });
    const kept = Object.fromEntries(labels.filter(([, value]) => value !== ''));
    this.entries.get(entryName)?.set(ts, { ...record, labels: kept });
    return true;
  }

  /** @returns whether there was such a record. */
  remove(entryName: string, ts: bigint): boolean {
    return this.entries.get(entryName)?.delete(ts) ?? false;
  }

  /** Records of [start, stop) with this label, or with any labels. @returns how many were removed. */
  removeWhere(
    entryName: string,
    range: Range,
    label: readonly [string, string] | undefined,
  ): number {
    const { start, stop } = this.resolve(entryName, range);
    let removed = 0;
    for (const [ts, { labels }] of this.entries.get(entryName) ?? []) {
      if (ts < start || ts >= stop) continue;
      if (label !== undefined && labels[label[0]] !== label[1]) continue;
      this.remove(entryName, ts);
      removed++;
    }
    return removed;
  }

  /** Bounds of a query: oldest record and newest plus one where they are not given. */
  resolve(entryName: string, { start, stop }: Range): { start: bigint; stop: bigint } {
    const times = this.times(entryName);
    return { start: start ?? times[0] ?? 0n, stop: stop ?? (times.at(-1) ?? 0n) + 1n };
  }

  times(entryName: string): bigint[] {
    return [...(this.entries.get(entryName)?.keys() ?? [])].sort((a, b) => (a < b ? -1 : 1));
  }

  /** @returns the status of the answer. */
  rename(from: string, to: string): number {
    if (from === to || to.startsWith(`${from}/`)) return 409;
    const moved = this.#family(from);
    if (moved.length === 0) return 404;
    if (this.#family(to).length > 0) return 409;
    for (const name of moved) {
      const records = this.entries.get(name) ?? new Map<bigint, ModelRecord>();
      this.entries.delete(name);
      this.ensure(to);
      this.entries.set(to + name.slice(from.length), records);
    }
    return 200;
  }

  /** @returns the status of the answer. */
  drop(entryName: string): number {
    const family = this.#family(entryName);
    for (const name of family) this.entries.delete(name);
    return family.length === 0 ? 404 : 200;
  }

  #create(entryName: string): Map<bigint, ModelRecord> {
    let entry = this.entries.get(entryName);
    if (entry === undefined) {
      entry = new Map();
      this.entries.set(entryName, entry);
    }
    return entry;
  }

  #family(entryName: string): string[] {
    return [...this.entries.keys()].filter(
      (name) => name === entryName || name.startsWith(`${entryName}/`),
    );
  }
}

export interface Range {
  readonly start?: bigint | undefined;
  readonly stop?: bigint | undefined;
}
