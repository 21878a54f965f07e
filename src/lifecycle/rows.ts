/** Rows of policies in the `meta` family: the name in the key, the settings as JSON (docs/FORMATS.md). */
import { MillraceError, StoreFormatError } from '../errors/errors.ts';
import { COLUMN_META, META } from '../store/format.ts';
import { lifecycleKey, metaRange } from '../store/keys.ts';
import type { RocksReader } from '../store/rocks.ts';
import type { RowChange } from '../store/row-change.ts';
import { lifecycleSettingsJson, parseLifecycleSettings } from './settings-json.ts';
import type { LifecycleSettings } from './types.ts';

const ROWS_PER_PAGE = 1000;

export function lifecycleRow(name: string, settings: LifecycleSettings): RowChange {
  const value = Buffer.from(lifecycleSettingsJson(settings));
  return { column: COLUMN_META, key: lifecycleKey(name), value };
}

export function removedLifecycleRow(name: string): RowChange {
  return { column: COLUMN_META, key: lifecycleKey(name), value: null };
}

/** @throws StoreFormatError when a row cannot be read. */
export function loadLifecycles(db: RocksReader): Map<string, LifecycleSettings> {
  const found = new Map<string, LifecycleSettings>();
  const iterator = db.iterate(COLUMN_META, metaRange(META.lifecycle));
  try {
    for (;;) {
      const { rows, finished } = iterator.next(ROWS_PER_PAGE);
      for (let i = 0; i + 1 < rows.length; i += 2) {
        const name = rows[i]?.toString('utf8', 1) ?? '';
        found.set(name, decode(name, rows[i + 1]?.toString() ?? ''));
      }
      if (finished) return found;
    }
  } finally {
    iterator.close();
  }
}

function decode(name: string, text: string): LifecycleSettings {
  try {
    return parseLifecycleSettings(text);
  } catch (cause) {
    if (!(cause instanceof MillraceError)) throw cause;
    throw new StoreFormatError(`The row of lifecycle '${name}' is not readable: ${cause.message}`, {
      cause,
    });
  }
}
