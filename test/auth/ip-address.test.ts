import { describe, expect, test } from 'vitest';
import { canonicalIp, IpSet } from '../../src/auth/ip-address.ts';

describe('canonical addresses', () => {
  test.each([
    ['10.1.2.3', '10.1.2.3'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::ffff:102:304', '1.2.3.4'],
    ['::1', '::1'],
    ['10.1.2', undefined],
    ['localhost', undefined],
    ['', undefined],
  ])('%s is %s', (text, expected) => {
    expect(canonicalIp(text)).toBe(expected);
  });
});

describe('sets of addresses', () => {
  test.each<[items: string[], ip: string, isIn: boolean]>([
    [['10.1.2.3'], '10.1.2.3', true],
    [['10.1.2.3'], '10.1.2.4', false],
    [['10.0.0.0/8'], '10.200.1.1', true],
    [['10.0.0.0/8'], '11.0.0.1', false],
    [['10.1.2.3/8'], '10.9.9.9', true],
    [['192.168.1.0/31', '5.6.7.8'], '192.168.1.1', true],
    [['192.168.1.0/31', '5.6.7.8'], '192.168.1.2', false],
    [['1.2.3.4/32'], '1.2.3.4', true],
    [['0.0.0.0/0'], '203.0.113.9', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
    [['::/0'], '203.0.113.9', false],
    [['::/0'], '2001:db8::1', true],
    [['2001:db8::/32'], '2001:db8:5::1', true],
    [['2001:db8::/32'], '2001:db9::1', false],
    [['2001:DB8::0001'], '2001:db8::1', true],
    [['::ffff:5.6.7.8'], '5.6.7.8', true],
    [[' 10.1.2.3 '], '10.1.2.3', true],
    [['10.1.2.3'], '', false],
    [['10.1.2.3'], 'nonsense', false],
    [[], '10.1.2.3', false],
  ])('%j and %s: %s', (items, ip, isIn) => {
    expect(new IpSet(items).has(ip)).toBe(isIn);
  });

  test.each([
    '',
    'nonsense',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '::/129',
    '*',
  ])('what is no address and no network, as %j, never matches and harms nothing', (item) => {
    const set = new IpSet([item, '5.6.7.8']);
    expect(set.has('10.0.0.1')).toBe(false);
    expect(set.has('::1')).toBe(false);
    expect(set.has('5.6.7.8')).toBe(true);
  });
});
