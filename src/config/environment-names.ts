/** Names in the environment that no row of the table has: unknown, misspelt, or of the contract but not supported. */
import { OPTION_ROWS } from './options.ts';
import { isProvisioningName } from './provisioning.ts';

/** Variables of http-api §7 and replication §7 that this version does not act upon, and what follows from that. */
export interface UnsupportedVariables {
  /** As it is documented; `<ID>` and `*` stand for any text. */
  readonly names: string;
  readonly pattern: RegExp;
  readonly consequence: string;
}

export const UNSUPPORTED_VARIABLES: readonly UnsupportedVariables[] = [
  {
    names: 'RS_LOCK_FILE_*',
    pattern: /^RS_LOCK_FILE_.+$/,
    consequence: 'the store has a lock of its own, which falls with the process that holds it',
  },
  {
    names: 'RS_PRIMARY_URL, RS_SECONDARY_URL',
    pattern: /^RS_(PRIMARY_URL|SECONDARY_URL)$/,
    consequence: 'instances of other roles are not told of events',
  },
  {
    names: 'RS_ENGINE_*',
    pattern: /^RS_ENGINE_.+/,
    consequence: 'the store has other settings',
  },
  {
    names: 'RS_SYSTEM_EVENTS_REMOTE_*',
    pattern: /^RS_SYSTEM_EVENTS_REMOTE_.+/,
    consequence: 'system events stay here; a replication task can send them',
  },
  {
    names: 'RS_AUDIT_*',
    pattern: /^RS_AUDIT_.+/,
    consequence: 'audit records are system events, see RS_SYSTEM_EVENTS_ENABLED',
  },
  {
    names: 'RS_RWLOCK_*',
    pattern: /^RS_RWLOCK_.+/,
    consequence: 'there are no such locks',
  },
  {
    names: 'RS_EXT_PATH',
    pattern: /^RS_EXT_PATH$/,
    consequence: 'native extensions are not loaded',
  },
  {
    names: 'RS_LICENSE_PATH',
    pattern: /^RS_LICENSE_PATH$/,
    consequence: 'no licence is needed',
  },
];

const KNOWN_NAMES: readonly string[] = OPTION_ROWS.map(([, spec]) => spec.env);
const KNOWN_OWN_NAMES: readonly string[] = KNOWN_NAMES.filter(isOwnName);

/** Of the command line: who exports it for that starts servers with it, too. */
const CLI_NAMES: readonly string[] = ['MILLRACE_CONFIG'];

function isOwnName(name: string): boolean {
  return name.startsWith('MILLRACE_');
}

function isUnknown(name: string): boolean {
  return !KNOWN_NAMES.includes(name) && !CLI_NAMES.includes(name);
}

/** Levenshtein distance: UTF-16 units inserted, removed or replaced. */
export function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 0; row < left.length; row += 1) {
    const current = [row + 1];
    for (let column = 0; column < right.length; column += 1) {
      const replaced = (previous[column] ?? 0) + (left[row] === right[column] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}

/** `; did you mean X?` for the closest known name, or nothing when none is close (a quarter of the letters). */
function suggestion(name: string, candidates: readonly string[]): string {
  const scored = candidates
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .toSorted((left, right) => left.distance - right.distance);
  const [best] = scored;
  const isClose = best !== undefined && best.distance <= name.length / 4;
  return isClose ? `; did you mean ${best.candidate}?` : '';
}

/** One problem for each `MILLRACE_*` name that does not exist. The last one lists the names that do. */
export function unknownOwnNames(env: NodeJS.ProcessEnv): string[] {
  const problems = Object.keys(env)
    .filter((name) => isOwnName(name) && isUnknown(name))
    .toSorted()
    .map((name) => `${name} is not a known variable${suggestion(name, KNOWN_OWN_NAMES)}`);
  if (problems.length > 0) problems.push(`known are: ${KNOWN_OWN_NAMES.join(', ')}`);
  return problems;
}

/**
 * A warning for each group of `RS_*` names that are set and have no effect. Values are never shown.
 * @param used names that are none of these, whatever they look like.
 */
export function unusedContractNames(env: NodeJS.ProcessEnv, used: ReadonlySet<string>): string[] {
  const unsupported = new Map<UnsupportedVariables, string[]>();
  const unknown: string[] = [];
  for (const name of Object.keys(env).toSorted()) {
    if (!name.startsWith('RS_') || !isUnknown(name) || isProvisioningName(name)) continue;
    if (used.has(name)) continue;
    const row = UNSUPPORTED_VARIABLES.find(({ pattern }) => pattern.test(name));
    if (row === undefined) unknown.push(name);
    else if ((env[name] ?? '').trim() !== '') {
      unsupported.set(row, [...(unsupported.get(row) ?? []), name]);
    }
  }
  return [
    ...[...unsupported].map(([row, names]) => unsupportedText(names, row)),
    ...unknown.map((name) => `${name} is not a known variable${suggestion(name, KNOWN_NAMES)}`),
  ];
}

function unsupportedText(names: readonly string[], row: UnsupportedVariables): string {
  return `${names.join(', ')}: not supported, ${row.consequence}`;
}
