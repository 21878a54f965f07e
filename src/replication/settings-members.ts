/** Names of the members of replication settings, and which of a body are none of them. */

/**
 * Every member that is understood, contract (spec §1.2) and own. A member that is missing here stops the tasks which have
 * it: add own ones.
 */
export const SETTINGS_MEMBERS = [
  'src_bucket',
  'dst_bucket',
  'dst_host',
  'dst_token',
  'entries',
  'include',
  'exclude',
  'each_n',
  'each_s',
  'when',
  'mode',
  'dst_prefix',
  'compression',
  'order',
  'start',
  'budget',
] as const;

/** SDKs for JavaScript up to 1.17 add a copy of each member under this name (spec §1.2). */
function camelCase(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

const IGNORED: ReadonlySet<string> = new Set(
  SETTINGS_MEMBERS.flatMap((name) => [name, camelCase(name)]),
);

/** Bounds of what is kept of a body's unknown members; the names are for people. */
const MAX_UNKNOWN = 8;
const MAX_NAME_CHARS = 64;

/**
 * Names of members that are neither known nor copies of known ones. One of them may be a filter, so that a task without it
 * would send what was to stay inside. `null` says that nothing is set.
 */
export function unknownMembers(members: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.keys(members)
    .filter((name) => !IGNORED.has(name) && members[name] !== null)
    .slice(0, MAX_UNKNOWN)
    .map((name) => name.slice(0, MAX_NAME_CHARS));
}
