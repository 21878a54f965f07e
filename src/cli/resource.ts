/** Arguments that name an instance, something on it, or a folder (replication §9.2). Pure. */
import { UsageError } from './errors.ts';

/** An instance: by the name it has in the alias file, or by its URL. */
export type ServerRef = AliasRef | UrlRef;

export interface AliasRef {
  readonly kind: 'alias';
  readonly alias: string;
}

export interface UrlRef {
  readonly kind: 'url';
  /** With its base path, without user part; ends with `/`. */
  readonly url: string;
  /** Decoded; `null` without user part. */
  readonly token: string | null;
}

/** `<alias>/<name>[/<entry path>]`, or the instance alone. */
export interface ServerResource {
  readonly kind: 'server';
  readonly server: ServerRef;
  /** Of a bucket, task, token or policy; undefined: the instance. May hold `*` where a command allows it. */
  readonly name: string | undefined;
  /** Behind a bucket, may hold `/`. URLs have none: there the last segment is the name. */
  readonly entryPath: string | undefined;
}

/** Begins with `.` or `/`. */
export interface FolderResource {
  readonly kind: 'folder';
  readonly path: string;
}

export type Resource = ServerResource | FolderResource;

const URL_START = /^https?:\/\//i;

/** @throws UsageError that says what is accepted. */
export function parseResource(text: string): Resource {
  if (text.startsWith('.') || text.startsWith('/')) return { kind: 'folder', path: text };
  return parseServerResource(text);
}

/** Like `parseResource` where a folder makes no sense. @throws UsageError */
export function parseServerResource(text: string): ServerResource {
  if (URL_START.test(text)) return parseUrl(text);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw new UsageError(`'${withoutUser(text)}' is no http or https URL`);
  }
  if (text.startsWith('.') || text.startsWith('/')) {
    throw new UsageError(`'${text}' is a folder, an instance is needed here`, FORMS);
  }
  return parseAliasPath(text);
}

/** An instance and nothing on it. @throws UsageError */
export function parseInstance(text: string): ServerResource {
  const resource = parseServerResource(text);
  if (resource.name === undefined) return resource;
  throw new UsageError(
    `'${withoutUser(text)}' names something on an instance, the instance alone is needed here`,
    resource.server.kind === 'url' ? 'End the URL with a slash.' : instanceHint(resource.server),
  );
}

/** Something on an instance. @param what e.g. `bucket`, for the message. @throws UsageError */
export function parseNamed(what: string): (text: string) => ServerResource & { name: string } {
  return (text) => {
    const resource = parseServerResource(text);
    const { name, entryPath } = resource;
    if (name === undefined) {
      throw new UsageError(
        `'${withoutUser(text)}' is an instance, a ${what} on it is needed here`,
        `Write <alias>/<${what}> or https://<token>@<host>/<${what}>.`,
      );
    }
    if (entryPath !== undefined) {
      throw new UsageError(`'${withoutUser(text)}' has more than the name of a ${what}`);
    }
    return { ...resource, name };
  };
}

const FORMS = 'Write <alias>/<name> or http(s)://[<token>@]<host>[:<port>][/<base path>]/<name>.';

function instanceHint(server: ServerRef): string {
  return server.kind === 'alias' ? `Did you mean '${server.alias}'?` : FORMS;
}

function parseAliasPath(text: string): ServerResource {
  const [alias = '', ...rest] = text.split('/');
  if (alias === '') throw new UsageError('An instance is needed, the argument is empty', FORMS);
  const server: ServerRef = { kind: 'alias', alias };
  if (rest.length === 0 || (rest.length === 1 && rest[0] === '')) {
    return { kind: 'server', server, name: undefined, entryPath: undefined };
  }
  if (rest.includes('')) throw new UsageError(`'${text}' has an empty part between slashes`, FORMS);
  const [name, ...entry] = rest;
  const entryPath = entry.length === 0 ? undefined : entry.join('/');
  return { kind: 'server', server, name, entryPath };
}

function parseUrl(text: string): ServerResource {
  if (!URL.canParse(text)) throw new UsageError(`'${withoutUser(text)}' is no URL`, FORMS);
  const url = new URL(text);
  if (url.search !== '' || url.hash !== '') {
    throw new UsageError(`'${withoutUser(text)}' has more than a path`, FORMS);
  }
  const slash = url.pathname.lastIndexOf('/');
  const name = decode(url.pathname.slice(slash + 1), 'The name in the URL');
  const base = `${url.origin}${url.pathname.slice(0, slash + 1)}`;
  const server: ServerRef = { kind: 'url', url: base, token: tokenOf(url) };
  return {
    kind: 'server',
    server,
    name: name === '' ? undefined : name,
    entryPath: undefined,
  };
}

function tokenOf(url: URL): string | null {
  if (url.password !== '') {
    throw new UsageError(
      'The user part of the URL has a colon, which would begin a password',
      'Write a colon inside a token as %3A.',
    );
  }
  return url.username === '' ? null : decode(url.username, 'The token in the URL');
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) throw new UsageError(`${what} has a malformed percent escape`);
    throw error;
  }
}

/** For messages: a token does not belong on a screen. */
function withoutUser(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, '$1');
}
