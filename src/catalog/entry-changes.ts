/**
 * Renames and removals of entries with all their descendants. Each is one commit between two others: no write can come
 * between the look at the entries and the change. Main thread only.
 */
import type { RowChange } from '../store/row-change.ts';
import { parentEntryNames } from '../wire/names.ts';
import { checkKeepsKind, entryDeleting, entryExists, entryMissing } from './entry-errors.ts';
import { countRewrite, nameRow, statsRow } from './entry-rows.ts';
import type { Bucket, Entry } from './model.ts';
import type { Remover, RowCommitter } from './ports.ts';

/** Where entries are known. */
export interface EntryHome {
  /** A new entry, not durable yet. */
  add(bucket: Bucket, name: string): Entry;
  delete(entry: Entry): void;
  headerRow(): RowChange;
}

export class EntryChanges {
  readonly #commits: RowCommitter;
  readonly #remover: Remover;
  readonly #home: EntryHome;

  constructor(commits: RowCommitter, remover: Remover, home: EntryHome) {
    this.#commits = commits;
    this.#remover = remover;
    this.#home = home;
  }

  /** @throws ApiError 409, 404, 422 in the order of http-api-records §2.4. */
  rename(bucket: Bucket, entryName: string, newName: string): void {
    const exists = entryExists(bucket.name, newName);
    if (newName === entryName || newName.startsWith(`${entryName}/`)) throw exists;
    // Entries that are being created are durable afterwards, or refused.
    this.#commits.flush();
    const moved = familyOf(bucket, entryName);
    if (!moved.some(isDurable)) throw entryMissing(bucket.name, entryName);
    const inTheWay = familyOf(bucket, newName);
    if (inTheWay.some(isDurable)) throw exists;
    for (const entry of moved) if (entry.status === 'DELETING') throw entryDeleting(entry);
    checkKeepsKind(entryName, newName);
    const parents = this.#missingParents(bucket, newName);
    for (const entry of inTheWay) this.#giveUp(entry);
    const renamed = moved.map((entry) => {
      return { entry, name: newName + entry.name.slice(entryName.length) };
    });
    const durable = renamed.filter(({ entry }) => entry.isDurable);
    this.#commits.commitNow([
      ...parents.flatMap((entry) => [nameRow(entry), statsRow(entry)]),
      ...durable.map(({ entry, name }) => nameRow({ ...entry, name })),
    ]);
    for (const entry of parents) entry.isDurable = true;
    for (const { entry, name } of renamed) {
      bucket.entries.delete(entry.name);
      entry.name = name;
      bucket.entries.set(name, entry);
    }
  }

  /** Marks the entries as DELETING and begins to remove them. @throws ApiError 404, 409. */
  remove(bucket: Bucket, entryName: string): void {
    this.#commits.flush();
    const all = familyOf(bucket, entryName);
    const family = all.filter(isDurable);
    if (family.length === 0) throw entryMissing(bucket.name, entryName);
    for (const entry of family) if (entry.status === 'DELETING') throw entryDeleting(entry);
    for (const entry of family) {
      entry.status = 'DELETING';
      countRewrite(entry);
    }
    try {
      this.#commits.commitNow([...family.map((entry) => nameRow(entry)), this.#home.headerRow()]);
    } catch (error) {
      for (const entry of family) entry.status = 'READY';
      throw error;
    }
    for (const entry of all) if (!entry.isDurable) this.#giveUp(entry);
    this.removeContent(family);
  }

  /** Removes entries of one bucket that are marked as DELETING. Quotas do not count them any more. */
  removeContent(entries: readonly Entry[]): void {
    for (const { bucket, stats } of entries) bucket.sizeBytes -= stats.sizeBytes;
    this.#remover.startEntries(entries, () => {
      for (const entry of entries) {
        this.#home.delete(entry);
        countRewrite(entry);
      }
    });
  }

  /** Parents of a name that have to be created with it. @throws ApiError 409 when one is being deleted. */
  #missingParents(bucket: Bucket, name: string): Entry[] {
    const known = parentEntryNames(name).map((parent) => {
      return { parent, entry: bucket.entries.get(parent) };
    });
    for (const { entry } of known) if (entry?.status === 'DELETING') throw entryDeleting(entry);
    return known.flatMap(({ parent, entry }) => {
      if (entry?.isDurable === true) return [];
      return entry ?? this.#home.add(bucket, parent);
    });
  }

  /** An entry that never came to be: requests that still hold it are refused. */
  #giveUp(entry: Entry): void {
    entry.status = 'DELETING';
    this.#home.delete(entry);
  }
}

/** The entry of this name and all its descendants, durable or not. */
function familyOf(bucket: Bucket, entryName: string): Entry[] {
  const prefix = `${entryName}/`;
  return [...bucket.entries.values()].filter(
    ({ name }) => name === entryName || name.startsWith(prefix),
  );
}

function isDurable(entry: Entry): boolean {
  return entry.isDurable;
}
