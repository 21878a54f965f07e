/**
 * Labels of a record as one flat list `[name, value, name, value, …]`: no object per label on the write path.
 * Order is the order of arrival; names are unique.
 */
export type Labels = readonly string[];

export const NO_LABELS: Labels = [];

/** True when both lists hold the same pairs in the same order (cheap: identity first). */
export function sameLabels(a: Labels, b: Labels): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}

/** Value of a label, or undefined. Linear: records carry a handful of labels. */
export function labelValue(labels: Labels, name: string): string | undefined {
  for (let i = 0; i + 1 < labels.length; i += 2) {
    if (labels[i] === name) return labels[i + 1];
  }
  return undefined;
}
