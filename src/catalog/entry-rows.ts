/** Rows that make a new entry and its parents durable. */
import type { Entry } from './model.ts';
import { encodeJson, encodeStats } from './rows.ts';
import { COLUMN_META, META } from '../store/format.ts';
import { metaKey } from '../store/keys.ts';
import { parentEntryNames } from '../wire/names.ts';

export interface EntryRowPut {
  readonly column: typeof COLUMN_META;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** The entry's own row, and row and empty figures of every parent that is not durable yet. */
export function encodeEntryRows(entry: Entry): EntryRowPut[] {
  const rows: EntryRowPut[] = [nameRow(entry)];
  for (const name of parentEntryNames(entry.name)) {
    const parent = entry.bucket.entries.get(name);
    if (parent === undefined || parent.isDurable) continue;
    rows.push(nameRow(parent), statsRow(parent));
  }
  return rows;
}

/** After the commit with the rows of `encodeEntryRows`: the entry and its parents are readable. */
export function markDurable(entry: Entry): void {
  if (entry.isDurable) return;
  entry.isDurable = true;
  for (const parent of parentEntryNames(entry.name)) {
    const found = entry.bucket.entries.get(parent);
    if (found !== undefined) found.isDurable = true;
  }
}

/** Figures of an entry as they are now. */
export function statsRow(entry: Entry): EntryRowPut {
  const value = encodeStats(entry.stats);
  return { column: COLUMN_META, key: metaKey(META.entryStats, entry.id), value };
}

/** Name and status of an entry. */
export function nameRow(entry: Entry): EntryRowPut {
  return {
    column: COLUMN_META,
    key: metaKey(META.entry, entry.id),
    value: encodeJson({ bucketId: entry.bucket.id, name: entry.name, status: entry.status }),
  };
}

/** Its records changed otherwise than by later ones. */
export function countRewrite(entry: Entry): void {
  entry.rewrites++;
  entry.bucket.rewrites++;
}
