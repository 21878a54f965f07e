/** Labels as `name=value`, for `--include` and `--exclude`. Pure. */
import { UsageError } from './errors.ts';

export type LabelPair = readonly [name: string, value: string];

/** @throws UsageError unless it is a name, `=` and a value, which may be empty. */
export function parseLabel(text: string): LabelPair {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new UsageError(`'${text}' is no label`, 'Write <name>=<value>.');
}

/** @throws UsageError when two values are asked of one label: no record has both. */
export function labelMap(pairs: readonly LabelPair[]): Readonly<Record<string, string>> {
  const labels = new Map<string, string>();
  for (const [name, value] of pairs) {
    const before = labels.get(name);
    if (before !== undefined && before !== value) {
      throw new UsageError(`Label '${name}' is given as '${before}' and as '${value}'`);
    }
    labels.set(name, value);
  }
  return Object.fromEntries(labels);
}
