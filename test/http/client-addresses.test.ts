import { describe, expect, test } from 'vitest';
import { ClientAddresses, noteProxied } from '../../src/http/client-address.ts';
import type { Addressed } from '../../src/http/client-address.ts';

/** A connection of this peer that counts how often its address is asked for. */
class Peer {
  asked = 0;
  readonly #bytes: readonly number[];

  constructor(...bytes: number[]) {
    this.#bytes = bytes;
  }

  getRemoteAddress(): ArrayBuffer {
    this.asked++;
    return Uint8Array.from(this.#bytes).buffer;
  }
}

/** The address of a request with these headers. */
function addressOf(
  addresses: ClientAddresses,
  peer: Peer,
  { forwarded = '', forwardedFor = '' } = {},
): string {
  const exchange: Addressed = { clientIp: '', mayBeProxied: false };
  addresses.note(exchange, peer);
  if (exchange.mayBeProxied) noteProxied(exchange, forwarded, forwardedFor);
  return exchange.clientIp;
}

describe('addresses of clients', () => {
  test('of one peer are asked for per connection, not per request', () => {
    const addresses = new ClientAddresses();
    const peer = new Peer(192, 0, 2, 1);
    addresses.onConnection(peer, 1);
    addresses.onConnection(peer, 1);
    for (let i = 0; i < 3; i++) expect(addressOf(addresses, peer)).toBe('192.0.2.1');
    expect(peer.asked).toBe(2);
  });

  test('of several peers are told apart until the last of all connections has ended', () => {
    const addresses = new ClientAddresses();
    const first = new Peer(192, 0, 2, 1);
    const second = new Peer(192, 0, 2, 2);
    addresses.onConnection(first, 1);
    addresses.onConnection(second, 1);
    expect(addressOf(addresses, first)).toBe('192.0.2.1');
    expect(addressOf(addresses, second)).toBe('192.0.2.2');
    addresses.onConnection(first, -1);
    addresses.onConnection(first, 1);
    expect(addressOf(addresses, second)).toBe('192.0.2.2');
    addresses.onConnection(first, -1);
    addresses.onConnection(second, -1);
    addresses.onConnection(first, 1);
    first.asked = 0;
    expect(addressOf(addresses, first)).toBe('192.0.2.1');
    expect(first.asked).toBe(0);
  });

  test('behind a proxy close by come from each request, however few connections it has', () => {
    const addresses = new ClientAddresses();
    const proxy = new Peer(10, 0, 0, 1);
    addresses.onConnection(proxy, 1);
    const of = (headers: { forwarded?: string; forwardedFor?: string }): string =>
      addressOf(addresses, proxy, headers);
    expect(of({ forwardedFor: '192.0.2.1' })).toBe('192.0.2.1');
    expect(of({ forwarded: 'for=192.0.2.2', forwardedFor: '192.0.2.1' })).toBe('192.0.2.2');
    expect(of({})).toBe('10.0.0.1');
  });

  test('that are unknown when they connect are asked for again', () => {
    const addresses = new ClientAddresses();
    addresses.onConnection(new Peer(), 1);
    expect(addressOf(addresses, new Peer(192, 0, 2, 9))).toBe('192.0.2.9');
  });
});
