/** The proxy on the way to a target, by the variables that most programs know (replication §5.3). */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** Texts of the variables; empty: not set. */
export interface ProxySettings {
  readonly http: string;
  readonly https: string;
  /** Hosts that are reached without one, separated by commas or blanks; `*`: all. */
  readonly no: string;
}

export const NO_PROXY: ProxySettings = { http: '', https: '', no: '' };

/** Lower case comes first, as in other programs. */
export function proxySettings(env: Readonly<Record<string, string | undefined>>): ProxySettings {
  const read = (name: string): string => env[name.toLowerCase()] ?? env[name] ?? '';
  return { http: read('HTTP_PROXY'), https: read('HTTPS_PROXY'), no: read('NO_PROXY') };
}

/** @returns `null` when the target is reached directly, also when the variable holds no URL. */
export function proxyFor(target: URL, settings: ProxySettings): URL | null {
  const text = target.protocol === 'https:' ? settings.https : settings.http;
  if (text === '' || isExempt(target, settings.no)) return null;
  const url = text.includes('://') ? text : `http://${text}`;
  return URL.canParse(url) ? new URL(url) : null;
}

function isExempt(target: URL, list: string): boolean {
  const host = target.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = target.port || (target.protocol === 'https:' ? '443' : '80');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((item) => item !== '' && matches(item, host, port));
}

/** `*`, a host, a domain (also `.domain` and `*.domain`), each also with a port, an address, or a network. */
function matches(item: string, host: string, port: string): boolean {
  if (item === '*') return true;
  if (item.includes('/')) return isInNetwork(item, host);
  const [, name = '', wantedPort] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(item) ?? [];
  // The address of IPv6 has colons of its own.
  if (isIPv6(item)) return item === host;
  if (wantedPort !== undefined && wantedPort !== port) return false;
  const domain = name.replace(/^\*?\./, '');
  return host === domain || host.endsWith(`.${domain}`);
}

function isInNetwork(item: string, host: string): boolean {
  const [network = '', bits = ''] = item.split('/');
  const family = isIPv4(host) ? 'ipv4' : 'ipv6';
  const isSameFamily = family === 'ipv4' ? isIPv4(network) : isIPv6(network) && isIPv6(host);
  if (!isSameFamily || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 'ipv4' ? 32 : 128)) {
    return false;
  }
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family);
  return list.check(host, family);
}
