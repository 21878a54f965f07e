import { describe, expect, test } from 'vitest';
import { addressBehindProxy, peerAddress } from '../../src/http/client-address.ts';

describe('the peer', () => {
  test.each([
    ['7f000001', '127.0.0.1'],
    ['00000000000000000000ffff7f000001', '127.0.0.1'],
    ['00000000000000000000000000000001', '::1'],
    ['20010db8000000000000000000000001', '2001:db8::1'],
    ['', ''],
  ])('%s is %j', (hex, text) => {
    expect(peerAddress(Buffer.from(hex, 'hex'))).toBe(text);
  });
});

describe('behind a proxy', () => {
  test.each([
    ['', '', '10.0.0.1'],
    ['', '203.0.113.7', '203.0.113.7'],
    ['', ' 203.0.113.7 , 198.51.100.1', '203.0.113.7'],
    ['', '203.0.113.7:4711', '203.0.113.7'],
    ['', 'unknown, 203.0.113.7', '10.0.0.1'],
    ['', '2001:DB8::1', '2001:db8::1'],
    ['', '::ffff:203.0.113.7', '203.0.113.7'],
    ['for=192.0.2.60', '203.0.113.7', '192.0.2.60'],
    ['proto=http; For="[2001:db8::17]:4711" ;by=10.0.0.1', '', '2001:db8::17'],
    ['for="192.0.2.60:80", for=198.51.100.1', '', '192.0.2.60'],
    ['for=unknown, for=_hidden, for=198.51.100.1', '', '198.51.100.1'],
    ['for=unknown', '203.0.113.7', '203.0.113.7'],
    ['for=999.1.1.1;proto=http', 'nonsense', '10.0.0.1'],
    ['for="[::1%eth0]"', '', '10.0.0.1'],
  ])('forwarded %j and x-forwarded-for %j mean %s', (forwarded, xForwardedFor, address) => {
    expect(addressBehindProxy('10.0.0.1', forwarded, xForwardedFor)).toBe(address);
  });
});
