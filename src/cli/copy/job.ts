/** Turns the arguments of `cp` into copies. */
import { resolve as resolvePath } from 'node:path';
import { InstanceClient } from '../../client/instance-client.ts';
import { DEFAULT_RETRY } from '../../copy/attempts.ts';
import { BucketSink } from '../../copy/bucket-sink.ts';
import { BucketSource } from '../../copy/bucket-source.ts';
import type { CopySink, CopySource } from '../../copy/types.ts';
import type { CliContext, ResolvedServer } from '../context.ts';
import { CliError, UsageError } from '../errors.ts';
import type { Resource, ServerResource } from '../resource.ts';

/** Requests in flight get this long after Ctrl-C, ms. */
const GRACE_MS = 5_000;

export interface CopyJob {
  /** `bucket 'data'`, for people. */
  readonly from: string;
  readonly name: string;
  /** Of the source; empty for a folder. */
  readonly bucket: string;
  readonly source: CopySource;
  readonly sink: CopySink;
}

export interface CopyPlaces {
  readonly jobs: readonly CopyJob[];
  readonly parallel: number;
  /** An entry named in the source itself. */
  readonly entries: readonly string[];
  close(): Promise<void>;
}

export interface FolderOptions {
  readonly ext?: string;
  readonly withMeta?: boolean;
}

/** @throws UsageError, CliError, or what the source says about its buckets. */
export async function planCopies(
  context: CliContext,
  from: Resource,
  to: Resource,
  options: FolderOptions,
): Promise<CopyPlaces> {
  checkPlaces(from, to);
  const clients: InstanceClient[] = [];
  let parallel = 1;
  const open = (server: ResolvedServer): InstanceClient => {
    const client = new InstanceClient(server);
    endWith(context.signal, client);
    clients.push(client);
    parallel = Math.max(parallel, server.parallel);
    return client;
  };
  const close = async (): Promise<void> => {
    await Promise.all(clients.map((client) => client.close()));
  };
  try {
    const sink = await sinkMaker(context, to, options, open);
    const jobs =
      from.kind === 'folder'
        ? [await folderJob(from.path, sink)]
        : await bucketJobs(context, from, sink, open);
    const entryPath = from.kind === 'server' ? from.entryPath : undefined;
    return { jobs, parallel, entries: entryPath === undefined ? [] : [entryPath], close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Makes the destination for a source's bucket; `undefined` for a folder. */
type SinkMaker = (bucket: string | undefined) => CopySink;

function checkPlaces(from: Resource, to: Resource): void {
  if (from.kind === 'folder' && to.kind === 'folder') {
    throw new UsageError('Source and destination are folders', 'One of them has to be a bucket.');
  }
  if (from.kind === 'server' && from.name === undefined) {
    throw new UsageError(
      'The source is an instance, a bucket is needed',
      'Write <alias>/<bucket>, or <alias>/* for all buckets.',
    );
  }
  const isMany = from.kind === 'server' && from.name?.endsWith('*') === true;
  if (isMany && (to.kind === 'folder' || to.name !== undefined)) {
    throw new UsageError('Several buckets need an instance as destination', 'Write <alias> alone.');
  }
  if (to.kind === 'server' && to.entryPath !== undefined) {
    throw new UsageError('The destination names an entry', 'Entries keep their names.');
  }
  if (!isMany && to.kind === 'server' && to.name === undefined) {
    throw new UsageError(
      'The destination is an instance, a bucket is needed',
      'Write <alias>/<bucket>.',
    );
  }
}

/** Half of what folders need has no use for buckets, so it is loaded only for folders. */
async function sinkMaker(
  context: CliContext,
  to: Resource,
  { ext, withMeta = false }: FolderOptions,
  open: (server: ResolvedServer) => InstanceClient,
): Promise<SinkMaker> {
  const { signal } = context;
  if (to.kind === 'folder') {
    const { FolderSink } = await import('../../copy/folder-sink.ts');
    const folder = resolvePath(to.path);
    const extension = ext?.replace(/^\./, '') ?? null;
    return () => new FolderSink({ folder, extension, withMeta, retry: DEFAULT_RETRY, signal });
  }
  if (ext !== undefined || withMeta) {
    throw new UsageError('--ext and --with-meta are for folders as destination');
  }
  const server = context.resolve(to.server);
  const client = open(server);
  return (bucket) =>
    new BucketSink({
      client,
      bucket: to.name ?? bucket ?? '',
      side: `destination '${to.name ?? bucket ?? ''}'`,
      retry: DEFAULT_RETRY,
      ttlS: ttlOf(server),
      signal,
    });
}

async function folderJob(path: string, sink: SinkMaker): Promise<CopyJob> {
  const { FolderSource } = await import('../../copy/folder-source.ts');
  const folder = resolvePath(path);
  const source = new FolderSource(folder);
  return { from: `folder '${path}'`, name: path, bucket: '', source, sink: sink(undefined) };
}

async function bucketJobs(
  context: CliContext,
  from: ServerResource,
  sink: SinkMaker,
  open: (server: ResolvedServer) => InstanceClient,
): Promise<CopyJob[]> {
  const server = context.resolve(from.server);
  const client = open(server);
  const names = await bucketNames(client, from.name ?? '');
  return names.map((bucket) => {
    const source = new BucketSource({
      client,
      bucket,
      side: `source '${bucket}'`,
      retry: DEFAULT_RETRY,
      ttlS: ttlOf(server),
      signal: context.signal,
    });
    return { from: `bucket '${bucket}'`, name: bucket, bucket, source, sink: sink(bucket) };
  });
}

async function bucketNames(client: InstanceClient, pattern: string): Promise<string[]> {
  if (!pattern.endsWith('*')) return [pattern];
  const prefix = pattern.slice(0, -1);
  if (prefix.includes('*')) {
    throw new UsageError(
      `'${pattern}' has more than one *`,
      'It stands at the end: <alias>/cam-*.',
    );
  }
  const names = (await client.bucketNames()).filter((name) => name.startsWith(prefix));
  // What the server writes about itself is copied only by its name.
  const wanted = names.filter((name) => !name.startsWith('$'));
  if (wanted.length > 0) return wanted;
  throw new CliError(`No bucket matches '${pattern}'`);
}

/** Between two reads of one entry all others may have their turn (replication §9.5). */
function ttlOf({ timeoutMs, parallel }: ResolvedServer): number {
  return Math.ceil((timeoutMs / 1000) * parallel);
}

/** After Ctrl-C requests in flight end by themselves, or are ended. */
function endWith(signal: AbortSignal, client: InstanceClient): void {
  signal.addEventListener('abort', () => {
    const reason = new DOMException('Interrupted', 'AbortError');
    setTimeout(() => client.group.abort(reason), GRACE_MS).unref();
  });
}
