/** Things of the environment that have to have names of their own. */

/** The last one counts, and a warning tells of the others. */
export function onePerName<T extends { readonly name: string }>(
  items: readonly T[],
  what: string,
  warnings: string[],
): T[] {
  const byName = new Map<string, T>();
  for (const item of items) {
    if (byName.has(item.name)) warnings.push(`${what} '${item.name}' is provisioned twice`);
    byName.set(item.name, item);
  }
  return [...byName.values()];
}
