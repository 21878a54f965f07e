/** Selection of entries by the patterns of a task's `entries` (spec §2.2). */

const META_SUFFIX = '/$meta';

type Matcher = (entry: string) => boolean;

/** Whether `entry` holds attachments (`<entry>/$meta`); such entries skip all filters but `entries` (spec §2.1). */
export function isMetaEntry(entry: string): boolean {
  return entry === '$meta' || entry.endsWith(META_SUFFIX);
}

/**
 * Compiles the patterns of one task. No pattern is an error; an empty list selects every entry.
 *
 * An entry is selected if it matches a plain pattern (or there are only exclusions, `!…`) and no exclusion.
 * `X/$meta` is tested under its own name and as `X`, so that attachments go with their entry. The time of one
 * test grows with the lengths of name and pattern only, whatever the number of wildcards; callers still keep
 * the answer per entry.
 */
export function compileEntryPatterns(patterns: readonly string[]): (entry: string) => boolean {
  const included = patterns.filter((pattern) => !isExclusion(pattern)).map(compilePattern);
  const excluded = patterns.filter(isExclusion).map((pattern) => compilePattern(pattern.slice(1)));
  return (entry) =>
    (included.length === 0 || matchesAny(included, entry)) && !matchesAny(excluded, entry);
}

/** Whether a pattern stands for this one entry, and its attachments. */
export function isPlainName(pattern: string): boolean {
  return !pattern.includes('*') && !isExclusion(pattern);
}

/** A lone `!` is the literal name of an entry. */
function isExclusion(pattern: string): boolean {
  return pattern.length > 1 && pattern.startsWith('!');
}

function matchesAny(matchers: readonly Matcher[], entry: string): boolean {
  if (matchers.some((matches) => matches(entry))) return true;
  if (!entry.endsWith(META_SUFFIX)) return false;
  const parent = entry.slice(0, -META_SUFFIX.length);
  return matchers.some((matches) => matches(parent));
}

function compilePattern(raw: string): Matcher {
  const pattern = raw.replace(/^\/+/, '');
  if (!pattern.includes('*')) return (entry) => entry === pattern;
  // Without `/` and with a final `*` the wildcards run across `/`; otherwise they stay inside a segment.
  if (!pattern.includes('/') && pattern.endsWith('*')) return compileWildcard(pattern);
  return compileSegments(pattern);
}

/** `*` stands for zero or more characters of the whole text. */
function compileWildcard(pattern: string): Matcher {
  const literals = pattern.split('*');
  if (literals.length === 1) return (text) => text === pattern;
  const head = literals[0] ?? '';
  const tail = literals.at(-1) ?? '';
  const middle = literals.slice(1, -1);
  return (text) => {
    const end = text.length - tail.length;
    if (end < head.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
    // The leftmost place of each literal leaves the most room for the next, so nothing is tried twice.
    let from = head.length;
    for (const literal of middle) {
      const found = text.indexOf(literal, from);
      if (found < 0 || found + literal.length > end) return false;
      from = found + literal.length;
    }
    return true;
  };
}

/** Segment by segment; a segment `**` stands for zero or more segments. */
function compileSegments(pattern: string): Matcher {
  const runs: Matcher[][] = [[]];
  for (const segment of pattern.split('/')) {
    if (segment === '**') runs.push([]);
    else runs.at(-1)?.push(compileWildcard(segment));
  }
  const head = runs[0] ?? [];
  if (runs.length === 1) {
    return (entry) => {
      const segments = entry.split('/');
      return segments.length === head.length && runMatchesAt(head, segments, 0);
    };
  }
  const tail = runs.at(-1) ?? [];
  const middle = runs.slice(1, -1);
  return (entry) => {
    const segments = entry.split('/');
    const end = segments.length - tail.length;
    if (end < head.length) return false;
    if (!runMatchesAt(head, segments, 0) || !runMatchesAt(tail, segments, end)) return false;
    let from = head.length;
    for (const run of middle) {
      while (from + run.length <= end && !runMatchesAt(run, segments, from)) from += 1;
      if (from + run.length > end) return false;
      from += run.length;
    }
    return true;
  };
}

function runMatchesAt(run: readonly Matcher[], segments: readonly string[], from: number): boolean {
  return run.every((matches, index) => matches(segments[from + index] ?? ''));
}
