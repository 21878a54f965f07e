/** Finds entries and records in a folder. */
import { type Dirent, readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { EntryFigures } from '../client/instance-client.ts';
import type { TimeRange } from '../client/query-body.ts';
import { type ContentFile, parseContentName } from './folder-layout.ts';
import { isMissingFile } from './files.ts';

const META_FOLDER = '$meta';

/** Entries with records below a folder, sorted by name, without attachments. A folder that is not there has none. */
export function scanEntries(folder: string): EntryFigures[] {
  const found: EntryFigures[] = [];
  const queue = [''];
  for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
    const prefix = entry === '' ? '' : `${entry}/`;
    let figures: { count: number; oldest: bigint; latest: bigint } | null = null;
    for (const item of readFolder(join(folder, entry))) {
      if (item.isDirectory()) {
        if (item.name !== META_FOLDER && !item.name.startsWith('.')) queue.push(prefix + item.name);
        continue;
      }
      const file = parseContentName(item.name);
      if (file === null) continue;
      figures ??= { count: 0, oldest: file.ts, latest: file.ts };
      figures.count++;
      if (file.ts < figures.oldest) figures.oldest = file.ts;
      if (file.ts > figures.latest) figures.latest = file.ts;
    }
    if (figures === null) continue;
    const { count, oldest, latest } = figures;
    found.push({
      name: entry,
      recordCount: count,
      sizeBytes: 0,
      oldestUs: oldest,
      latestUs: latest,
    });
  }
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Files with contents of one entry, ascending. Its names lie in memory, all of them. */
export async function listFiles(
  path: string,
  { startUs, stopUs }: TimeRange,
): Promise<ContentFile[]> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    if (isMissingFile(error)) return [];
    throw error;
  }
  const files: ContentFile[] = [];
  for (const name of names) {
    const file = parseContentName(name);
    if (file !== null && file.ts >= startUs && file.ts < stopUs) files.push(file);
  }
  return files.sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));
}

function readFolder(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (isMissingFile(error)) return [];
    throw error;
  }
}
