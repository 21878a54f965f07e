/** Which entries a multi-entry query reads (http-api-records §6.2). */

type Matcher = (name: string) => boolean;

const ANY_SEGMENTS = '**';

/**
 * Compiles the member `entries` of a query.
 *
 * Without an inclusion (absent, empty, only `!…`) everything but `$meta` entries is included. Patterns never select
 * `$meta` entries; an item equal to the name does, unless the list also holds `*`. A test takes time in the product of
 * the lengths of pattern and name at most.
 * @param patterns undefined when the member is absent or null.
 */
export function compileEntrySelection(patterns: readonly string[] | undefined): Matcher {
  const items = patterns ?? [];
  const inclusions = items.filter((item) => !isExclusion(item));
  const exclusions = items.filter(isExclusion).map((item) => item.slice(1));
  const exactNames = new Set(inclusions.includes('*') ? [] : inclusions);
  const included = inclusions.map(compilePattern);
  const excludedNames = new Set(exclusions);
  const excluded = exclusions.map(compilePattern);
  return (name) => {
    if (excludedNames.has(name) || excluded.some((matches) => matches(name))) return false;
    if (isMetaEntry(name)) return exactNames.has(name);
    if (inclusions.length === 0) return true;
    return exactNames.has(name) || included.some((matches) => matches(name));
  };
}

/** A lone `!` is an inclusion (and matches nothing, it is no entry name). */
function isExclusion(item: string): boolean {
  return item.length > 1 && item.startsWith('!');
}

function isMetaEntry(name: string): boolean {
  return name === '$meta' || name.endsWith('/$meta');
}

function compilePattern(raw: string): Matcher {
  const pattern = raw.replace(/^\/+/, '');
  if (!pattern.includes('*')) return (name) => name === pattern;
  if (!pattern.includes('/') && pattern.endsWith('*')) {
    // The text before the final `*` is plain, also when it holds further `*`, and runs across slashes.
    const prefix = pattern.slice(0, -1);
    return (name) => name.startsWith(prefix);
  }
  const segments = pattern.split('/').map((segment) => ({
    isAny: segment === ANY_SEGMENTS,
    matches: compileSegment(segment),
  }));
  return (name) => matchesSegments(segments, name.split('/'));
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
