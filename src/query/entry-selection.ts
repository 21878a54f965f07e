/** Which entries a multi-entry query reads (http-api-records §6.2). */

import { ApiError } from '../errors/errors.ts';

type Matcher = (name: string) => boolean;

/** Wildcards of one query; names without `*` cost nothing and are not limited. */
const MAX_WILDCARDS = 1_000;
/** Comparisons of names with wildcards that are done at once. */
const MAX_COMPARISONS_AT_ONCE = 50_000;
const SLICE_MS = 4;
/** Selects nothing as the only inclusion, because it is no name of an entry. */
const NO_ENTRY = '!';

const ANY = '*';
const ANY_SEGMENTS = '**';

/**
 * Compiles the member `entries` of a query.
 *
 * Without an inclusion (absent, empty, only `!…`) everything but `$meta` entries is included. Patterns never select
 * `$meta` entries; an item equal to the name does, unless the list also holds `*`. A test takes time in the number of
 * items with `*`, and for each of them in the product of the lengths of pattern and name at most.
 * @param patterns undefined when the member is absent or null.
 */
export function compileEntrySelection(patterns: readonly string[] | undefined): Matcher {
  const items = patterns ?? [];
  const inclusions = items.filter((item) => !isExclusion(item));
  const exclusions = items.filter(isExclusion).map((item) => item.slice(1));
  const exactNames = new Set(inclusions.includes(ANY) ? [] : inclusions);
  const included = compilePatterns(inclusions);
  const excludedNames = new Set(exclusions);
  const excluded = compilePatterns(exclusions);
  return (name) => {
    if (excludedNames.has(name) || excluded(name)) return false;
    if (isMetaEntry(name)) return exactNames.has(name);
    return inclusions.length === 0 || included(name);
  };
}

/** What is selected from: a bucket. */
export interface NamedEntries {
  readonly entries: ReadonlyMap<unknown, { readonly name: string }>;
}

/**
 * Entries times wildcards may be many: those are compared in slices, and the names that were found stand for them.
 * @returns items that select what `patterns` does of the entries that are there now.
 * @throws ApiError 422 for more than 1000 wildcards.
 */
export async function selectInSlices(
  { entries }: NamedEntries,
  patterns: readonly string[] | undefined,
): Promise<readonly string[] | undefined> {
  const wildcards = patterns?.filter((item) => item.includes(ANY)).length ?? 0;
  if (wildcards > MAX_WILDCARDS) {
    throw new ApiError(
      422,
      `'entries' has ${wildcards} items with '*', at most ${MAX_WILDCARDS} are accepted: use fewer, or names`,
    );
  }
  if (wildcards * entries.size <= MAX_COMPARISONS_AT_ONCE) return patterns;
  const isSelected = compileEntrySelection(patterns);
  const names: string[] = [NO_ENTRY];
  let endMs = performance.now() + SLICE_MS;
  for (const { name } of entries.values()) {
    if (isSelected(name)) names.push(name);
    if (performance.now() < endMs) continue;
    await new Promise((resolve) => setImmediate(resolve));
    endMs = performance.now() + SLICE_MS;
  }
  return names;
}

/** A lone `!` is an inclusion (and matches nothing, it is no entry name). */
function isExclusion(item: string): boolean {
  return item.length > 1 && item.startsWith('!');
}

function isMetaEntry(name: string): boolean {
  return name === '$meta' || name.endsWith('/$meta');
}

/** Whether one of the patterns matches. */
function compilePatterns(items: readonly string[]): Matcher {
  const patterns = items.map((item) => item.replace(/^\/+/, ''));
  const names = new Set(patterns.filter((pattern) => !pattern.includes(ANY)));
  const wildcards = patterns.filter((pattern) => pattern.includes(ANY));
  // The text before the final `*` is plain, also when it holds further `*`, and runs across slashes.
  const isPrefix = (pattern: string): boolean => !pattern.includes('/') && pattern.endsWith(ANY);
  const prefixes = wildcards.filter(isPrefix).map((pattern) => pattern.slice(0, -1));
  const paths = wildcards.filter((pattern) => !isPrefix(pattern)).map(compilePath);
  return (name) => {
    if (names.has(name) || prefixes.some((prefix) => name.startsWith(prefix))) return true;
    if (paths.length === 0) return false;
    const segments = name.split('/');
    return paths.some((path) => matchesSegments(path, segments));
  };
}

function compilePath(pattern: string): readonly Segment[] {
  return pattern.split('/').map((segment) => ({
    isAny: segment === ANY_SEGMENTS,
    matches: compileSegment(segment),
  }));
}

interface Segment {
  readonly isAny: boolean;
  readonly matches: Matcher;
}

/** Greedy with one point to return to: the last `**` takes one more segment whenever the rest does not fit. */
function matchesSegments(pattern: readonly Segment[], name: readonly string[]): boolean {
  let at = 0;
  let nameAt = 0;
  let retryAt = -1;
  let retryNameAt = 0;
  while (nameAt < name.length) {
    const segment = pattern[at];
    if (segment?.isAny === true) {
      retryAt = at++;
      retryNameAt = nameAt;
    } else if (segment !== undefined && segment.matches(name[nameAt] ?? '')) {
      at++;
      nameAt++;
    } else if (retryAt >= 0) {
      at = retryAt + 1;
      nameAt = ++retryNameAt;
    } else {
      return false;
    }
  }
  while (pattern[at]?.isAny === true) at++;
  return at === pattern.length;
}

/** `*` stands for any run of characters inside one segment; an empty segment matches none. */
function compileSegment(segment: string): Matcher {
  if (!segment.includes('*')) return (text) => segment !== '' && text === segment;
  const literals = segment.split('*');
  const head = literals[0] ?? '';
  const tail = literals.at(-1) ?? '';
  const middle = literals.slice(1, -1);
  return (text) => {
    const end = text.length - tail.length;
    if (end < head.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
    // The leftmost place of a literal leaves the most room for the next, so nothing is tried twice.
    let from = head.length;
    for (const literal of middle) {
      const found = text.indexOf(literal, from);
      if (found < 0 || found + literal.length > end) return false;
      from = found + literal.length;
    }
    return true;
  };
}
