/** Checks on the values of replication settings, in the caller's hands because their order is contract (spec §1.4). */
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { ApiError } from '../errors/errors.ts';
import { compileCondition } from '../when/condition.ts';
import { parseJson } from '../wire/json.ts';
import { parseDestinationUrl } from './destination-url.ts';
import type { ReplicationSettings } from './settings.ts';

const NAME_PATTERN = /^[A-Za-z0-9_-]+$/;

/** How this server can be reached; see `isSameBucket`. */
export interface ServerIdentity {
  /** Random, made once for the store. */
  readonly instanceId: string;
  /** The port this server listens on. */
  readonly port: number;
  /** Addresses of all own interfaces, IPv4 and IPv6, without brackets and scope. Loopback needs no mention. */
  readonly addresses: readonly string[];
  /** Names of this machine, e.g. `os.hostname()`; case does not matter. */
  readonly hostNames: readonly string[];
}

/**
 * Names of new tasks (spec §1.4); tasks stored under other names stay usable and are not checked.
 *
 * @throws ApiError 422.
 */
export function checkReplicationName(name: string): void {
  if (NAME_PATTERN.test(name)) return;
  throw new ApiError(422, "Replication name can contain only letters, digits, '-' and '_'");
}

/**
 * Whether a task points at its own source bucket, as far as the text of the URL tells (spec §1.4, row 5, and
 * §5.11 (d)): equal bucket names, this server's port, and a host which is this machine. A proxy or a name only
 * DNS knows stays unnoticed here; the exact check compares instance ids when the target answers.
 *
 * The caller answers `true` with 422 `SAME_BUCKET_TEXT`.
 *
 * @throws ApiError 422 when `dstHost` is not a URL.
 */
export function isSameBucket(settings: ReplicationSettings, server: ServerIdentity): boolean {
  if (settings.srcBucket !== settings.dstBucket) return false;
  const url = parseDestinationUrl(settings.dstHost);
  return effectivePort(url) === server.port && isOwnHost(url.hostname, server);
}

/** @throws ApiError 422 with the texts of spec §1.4, rows 6 and 7. */
export function checkCondition(whenText: string | null): void {
  if (whenText === null) return;
  compileCondition(parseJson(whenText, { keepFloats: true }), 'Invalid replication condition: ');
}

export const SAME_BUCKET_TEXT = 'Source and destination buckets must be different';

/**
 * A token is given for one place. Sending it to another one because a URL was changed would hand a secret to whoever
 * answers there, so it has to be given again (deviates from spec §1.6 on purpose).
 *
 * @param stored the settings whose token would be kept.
 * @throws ApiError 422 that says what to do.
 */
export function checkKeptToken(stored: ReplicationSettings, dstHost: string): void {
  if (!wouldMoveToken(stored, dstHost)) return;
  throw new ApiError(
    422,
    `The stored token was given for '${targetPlace(stored.dstHost)}' and is not sent to '${targetPlace(dstHost)}': ` +
      'give dst_token again, or "" for none',
  );
}

/** Whether there is a token, and `dstHost` is another origin or path than it was given for. */
export function wouldMoveToken(stored: ReplicationSettings, dstHost: string): boolean {
  if (stored.dstToken === null && stored.lockedToken === null) return false;
  return targetPlace(stored.dstHost) !== targetPlace(dstHost);
}

/** What requests are sent to, without user and query; texts that are no URL are only equal to themselves. */
export function targetPlace(dstHost: string): string {
  if (!URL.canParse(dstHost)) return dstHost;
  const { origin, pathname } = new URL(dstHost);
  return origin + pathname.replace(/\/+$/, '');
}

/** The URL parser drops a port that is the scheme's default. */
function effectivePort(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

function isOwnHost(urlHostName: string, server: ServerIdentity): boolean {
  const host = withoutTrailingDot(urlHostName.replace(/^\[|\]$/g, '')).toLowerCase();
  if (isIPv4(host)) return ownAddresses(server).check(host, 'ipv4');
  if (isIPv6(host)) return ownAddresses(server).check(host, 'ipv6');
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  return server.hostNames.some((name) => withoutTrailingDot(name).toLowerCase() === host);
}

/** Compares addresses by value: `::ffff:127.0.0.1` and other spellings of one address are equal. */
function ownAddresses(server: ServerIdentity): BlockList {
  const own = new BlockList();
  own.addSubnet('127.0.0.0', 8, 'ipv4');
  for (const address of ['0.0.0.0', '::', '::1', ...server.addresses]) {
    if (isIPv4(address)) own.addAddress(address, 'ipv4');
    else if (isIPv6(address)) own.addAddress(address, 'ipv6');
  }
  return own;
}

function withoutTrailingDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name;
}
