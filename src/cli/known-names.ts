/** Names for completion, asked of the servers. Whatever goes wrong, there are none: nobody wants to read it while typing. */
import { encodePath } from '../replication/scan/entry-path.ts';
import { AdminClient } from './api/admin-client.ts';
import { objectOf, objectsMember, textMember } from './api/members.ts';
import type { KnownNames, NameKind } from './completion.ts';
import type { CliContext } from './context.ts';

/** Longest wait for a server while somebody waits for a word, ms. */
const LIMIT_MS = 1_500;

/** Where the lists are, and what they are called in the answer. */
const LISTS: Readonly<Record<NameKind, readonly [path: string, member: string]>> = {
  bucket: ['list', 'buckets'],
  token: ['tokens', 'tokens'],
  replica: ['replications', 'replications'],
  lifecycle: ['lifecycles', 'lifecycles'],
};

/** Others would have to be quoted, each shell in its own way. */
const PLAIN_NAME = /^[\w./+-]+$/;

export function knownNames(context: CliContext): KnownNames {
  const ask = async (alias: string, path: string, member: string): Promise<readonly string[]> => {
    try {
      const server = { ...context.resolve({ kind: 'alias', alias }), timeoutMs: LIMIT_MS };
      const client = new AdminClient(server, AbortSignal.timeout(LIMIT_MS));
      try {
        const rows = objectsMember(objectOf(await client.get(path), 'list'), member);
        return rows.map((row) => textMember(row, 'name')).filter((name) => PLAIN_NAME.test(name));
      } finally {
        await client.close();
      }
    } catch {
      return [];
    }
  };
  return {
    aliases: () => aliasNames(context),
    on: (alias, kind) => ask(alias, ...LISTS[kind]),
    entriesOf: (alias, bucket) => ask(alias, `b/${encodePath(bucket)}`, 'entries'),
  };
}

function aliasNames({ aliases }: CliContext): readonly string[] {
  try {
    return [...aliases.aliases().keys()];
  } catch {
    return [];
  }
}
