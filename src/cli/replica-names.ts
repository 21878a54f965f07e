import { parseNamed, type ServerResource } from './resource.ts';

/** A replication task on a server. */
export type Replica = ServerResource & { readonly name: string };

/** What the argument is, for help. */
export const REPLICA = '<alias>/<task>, or a URL that ends with the task';

export const parseReplica: (text: string) => Replica = parseNamed('task');

/** Below `api/v1/`. */
export function replicaPath(name: string): string {
  return `replications/${encodeURIComponent(name)}`;
}
