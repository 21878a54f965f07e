/** The address a request counts for (http-api §3.2): the peer, or what a proxy close by says about it. */
import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net';
import type { UwsRequest, UwsResponse } from './uws.ts';

type PeerSource = Pick<UwsResponse, 'getRemoteAddress'>;
type HeaderSource = Pick<UwsRequest, 'getHeader'>;

/** Peers that may be a proxy of ours: loopback, private and link-local, v6 unique-local. */
const NEAR = nearAddresses();

function nearAddresses(): BlockList {
  const list = new BlockList();
  list.addSubnet('127.0.0.0', 8, 'ipv4');
  list.addSubnet('10.0.0.0', 8, 'ipv4');
  list.addSubnet('172.16.0.0', 12, 'ipv4');
  list.addSubnet('192.168.0.0', 16, 'ipv4');
  list.addSubnet('169.254.0.0', 16, 'ipv4');
  list.addAddress('::1', 'ipv6');
  list.addSubnet('fc00::', 7, 'ipv6');
  list.addSubnet('fe80::', 10, 'ipv6');
  return list;
}

/**
 * IPv4 in dotted form (also where it came mapped into IPv6), IPv6 in its shortest form; empty when it is unknown.
 * @param req valid during the call.
 */
export function clientAddress(res: PeerSource, req: HeaderSource): string {
  const peer = peerAddress(new Uint8Array(res.getRemoteAddress()));
  if (!isNear(peer)) return peer;
  return addressBehindProxy(peer, req.getHeader('forwarded'), req.getHeader('x-forwarded-for'));
}

/** A request whose sender is being found out. */
export interface Addressed {
  clientIp: string;
  /** `clientIp` is that of a near peer, and the headers may name another one. */
  mayBeProxied: boolean;
}

/** Peers that are known to be near or not; looking them up in the list costs a µs. */
const MAX_KNOWN_PEERS = 4096;

/**
 * The address of every request, at little cost: asking the system for the peer of a connection costs more than everything
 * else that the audit of a request does. As long as all connections come from one peer, be it a proxy, a gateway or a
 * lone client, its address is known from the time it connected.
 */
export class ClientAddresses {
  readonly #near = new Map<string, boolean>();
  #connections = 0;
  /** Of all open connections; undefined when they are of several peers. */
  #only: string | undefined;

  /** @param change +1 for a connection that begins, -1 for one that ends. */
  onConnection(res: PeerSource, change: number): void {
    this.#connections += change;
    if (change < 0) return;
    const peer = peerAddress(new Uint8Array(res.getRemoteAddress()));
    if (this.#connections === change) this.#only = peer === '' ? undefined : peer;
    // Until all connections have ended, as those that end do not tell whose they were.
    else if (this.#only !== peer) this.#only = undefined;
  }

  /** Notes the peer. If it is near, `noteProxied` is to follow with what the headers say. */
  note(exchange: Addressed, res: PeerSource): void {
    const peer = this.#only ?? peerAddress(new Uint8Array(res.getRemoteAddress()));
    exchange.clientIp = peer;
    exchange.mayBeProxied = this.#isNear(peer);
  }

  #isNear(peer: string): boolean {
    let near = this.#near.get(peer);
    if (near === undefined) {
      near = isNear(peer);
      if (this.#near.size >= MAX_KNOWN_PEERS) this.#near.clear();
      this.#near.set(peer, near);
    }
    return near;
  }
}

/** @param forwarded, forwardedFor header values, empty when absent. */
export function noteProxied(exchange: Addressed, forwarded: string, forwardedFor: string): void {
  exchange.mayBeProxied = false;
  exchange.clientIp = addressBehindProxy(exchange.clientIp, forwarded, forwardedFor);
}

/** @param peer a near address. @param forwarded, xForwardedFor header values, empty when absent. */
export function addressBehindProxy(peer: string, forwarded: string, xForwardedFor: string): string {
  if (forwarded !== '') {
    for (const hop of forwarded.split(',')) {
      const address = addressOfHop(hop);
      if (address !== undefined) return address;
    }
  }
  if (xForwardedFor === '') return peer;
  return addressOfNode(xForwardedFor.split(',', 1)[0] ?? '') ?? peer;
}

/** @param bytes 4 or 16 in network order; anything else is unknown. */
export function peerAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return '';
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) {
    groups.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16));
  }
  return canonical(groups.join(':')) ?? '';
}

function isNear(address: string): boolean {
  if (address === '') return false;
  return NEAR.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

/** `for=192.0.2.60;proto=http`, in any order and case (RFC 7239). */
function addressOfHop(hop: string): string | undefined {
  for (const pair of hop.split(';')) {
    const [name = '', value] = pair.split('=', 2);
    if (name.trim().toLowerCase() !== 'for' || value === undefined) continue;
    return addressOfNode(value.trim().replace(/^"(.*)"$/, '$1'));
  }
  return undefined;
}

/** `192.0.2.60`, `192.0.2.60:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`. */
function addressOfNode(node: string): string | undefined {
  const text = node.trim();
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(text);
  if (bracketed !== null) return canonical(bracketed[1] ?? '');
  const withPort = /^([\d.]+):\d+$/.exec(text);
  return canonical(withPort?.[1] ?? text);
}

function canonical(text: string): string | undefined {
  const family = isIP(text);
  if (family === 4) return text;
  if (family !== 6 || text.includes('%')) return undefined;
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  return mapped?.[1] ?? address;
}
