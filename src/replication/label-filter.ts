/** The label filters `include` and `exclude` (spec §2.4). */

export interface LabelFilterSettings {
  readonly include: Readonly<Record<string, string>>;
  readonly exclude: Readonly<Record<string, string>>;
}

/** `labels` is flat: name, value, name, value, … */
export type LabelPredicate = (labels: readonly string[]) => boolean;

/**
 * A record passes if it has *every* pair of `include`, and unless it has *every* pair of `exclude`. An empty
 * map does nothing. Texts are compared as they are: no numbers, no wildcards, no case folding.
 */
export function compileLabelFilter(settings: LabelFilterSettings): LabelPredicate {
  const include = Object.entries(settings.include).flat();
  const exclude = Object.entries(settings.exclude).flat();
  if (include.length === 0 && exclude.length === 0) return () => true;
  return (labels) =>
    hasAllPairs(labels, include) && (exclude.length === 0 || !hasAllPairs(labels, exclude));
}

function hasAllPairs(labels: readonly string[], wanted: readonly string[]): boolean {
  for (let index = 0; index < wanted.length; index += 2) {
    if (!hasPair(labels, wanted[index], wanted[index + 1])) return false;
  }
  return true;
}

function hasPair(
  labels: readonly string[],
  name: string | undefined,
  value: string | undefined,
): boolean {
  for (let index = 0; index < labels.length; index += 2) {
    if (labels[index] === name && labels[index + 1] === value) return true;
  }
  return false;
}
