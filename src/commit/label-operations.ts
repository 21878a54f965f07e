/** Label updates as requests state them (http-api-records §2.2). */
import type { Labels } from '../store/labels.ts';
import { sameLabels } from '../store/labels.ts';

/**
 * Sets labels, or removes those with an empty value; the others stay. Known labels keep their place, new ones go behind.
 * @param operations flat names and values; a name occurs once.
 * @returns `labels` itself when nothing changes.
 */
export function applyOperations(labels: Labels, operations: Labels): Labels {
  const values = new Map<string, string>();
  for (let i = 0; i + 1 < labels.length; i += 2) values.set(labels[i] ?? '', labels[i + 1] ?? '');
  for (let i = 0; i + 1 < operations.length; i += 2) {
    const name = operations[i] ?? '';
    const value = operations[i + 1] ?? '';
    if (value === '') values.delete(name);
    else values.set(name, value);
  }
  const changed = [...values].flat();
  return sameLabels(changed, labels) ? labels : changed;
}
