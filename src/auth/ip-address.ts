/** Addresses in one form, and sets of them. */
import { BlockList, isIP, SocketAddress } from 'node:net';

const MAPPED_PREFIX = '::ffff:';

/**
 * The canonical text of an address: lower case, shortest form, without zone; IPv4 written as IPv6 becomes IPv4.
 * Undefined when it is none.
 */
export function canonicalIp(text: string): string | undefined {
  const family = isIP(text);
  if (family === 4) return text;
  if (family === 0) return undefined;
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  const isMapped = address.startsWith(MAPPED_PREFIX) && address.includes('.');
  return isMapped ? address.slice(MAPPED_PREFIX.length) : address;
}

/**
 * Single addresses and networks in CIDR notation. The families are kept apart: `::/0` says nothing about IPv4, which
 * one list of the library would take it to.
 */
export class IpSet {
  readonly #v4 = new BlockList();
  readonly #v6 = new BlockList();

  /** @param items what is neither an address nor a network is ignored (http-api §3.6). */
  constructor(items: readonly string[]) {
    for (const item of items) this.#add(item.trim());
  }

  /** @param ip canonical. */
  has(ip: string): boolean {
    switch (isIP(ip)) {
      case 4:
        return this.#v4.check(ip, 'ipv4');
      case 6:
        return this.#v6.check(ip, 'ipv6');
      default:
        return false;
    }
  }

  #add(item: string): void {
    const slash = item.indexOf('/');
    if (slash === -1) {
      const ip = canonicalIp(item);
      if (ip === undefined) return;
      if (isIP(ip) === 4) this.#v4.addAddress(ip, 'ipv4');
      else this.#v6.addAddress(ip, 'ipv6');
      return;
    }
    const network = item.slice(0, slash);
    const prefixText = item.slice(slash + 1);
    const prefix = /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : -1;
    const family = isIP(network);
    if (family === 4 && prefix >= 0 && prefix <= 32) this.#v4.addSubnet(network, prefix, 'ipv4');
    if (family === 6 && prefix >= 0 && prefix <= 128) this.#v6.addSubnet(network, prefix, 'ipv6');
  }
}
