import { describe, expect, test } from 'vitest';
import { ApiError } from '../../src/errors/errors.ts';
import { parseDestinationUrl } from '../../src/replication/destination-url.ts';
import { checkReplicationName, isSameBucket } from '../../src/replication/settings-checks.ts';
import { parseSettings } from '../../src/replication/settings.ts';

describe('names', () => {
  test.each(['a', 'my-replication', 'my_replication', 'A-9_z'])('%s is a name', (name) => {
    expect(() => checkReplicationName(name)).not.toThrow();
  });

  test.each(['', '../x', 'a b', 'ä', 'a/b', 'a.b', 'a\n'])('%j is none', (name) => {
    expect(() => checkReplicationName(name)).toThrow(
      new ApiError(422, "Replication name can contain only letters, digits, '-' and '_'"),
    );
  });
});

describe('the URL of the target', () => {
  test.each([
    'http://h',
    'https://play.reduct.store/',
    'HTTP://h:1/base/path',
    'http://[::1]:8383',
  ])('%s is taken', (dstHost) => {
    expect(parseDestinationUrl(dstHost).hostname).not.toBe('');
  });

  test.each(['', 'h', 'localhost:8383', 'ftp://x', 'http://', 'http://a b', '/path', 'file:///x'])(
    '%j is refused with the text of the contract',
    (dstHost) => {
      expect(() => parseDestinationUrl(dstHost)).toThrow(
        new ApiError(422, `Invalid destination host '${dstHost}'`),
      );
    },
  );
});

describe('the same bucket', () => {
  const server = {
    instanceId: 'test-instance',
    port: 8383,
    addresses: ['10.0.0.5', 'fe80::1', '2001:db8:0:0::7'],
    hostNames: ['Edge-1', 'edge-1.example.org.'],
  };

  function isSame(dstHost: string, dstBucket = 'a', port = server.port): boolean {
    const body = { src_bucket: 'a', dst_bucket: dstBucket, dst_host: dstHost };
    return isSameBucket(parseSettings(body, 'create', null), { ...server, port });
  }

  test.each([
    'http://localhost:8383',
    'http://LOCALHOST:8383/',
    'http://localhost.:8383',
    'http://127.0.0.1:8383',
    'http://127.1:8383',
    'http://127.0.1.1:8383',
    'http://0.0.0.0:8383',
    'http://[::1]:8383',
    'http://[::]:8383',
    'http://[::ffff:127.0.0.1]:8383',
    'http://10.0.0.5:8383',
    'http://[::ffff:10.0.0.5]:8383',
    'http://[fe80::1]:8383',
    'http://[2001:db8::7]:8383',
    'http://edge-1:8383',
    'http://EDGE-1.example.org:8383/base',
  ])('is seen behind %s', (dstHost) => {
    expect(isSame(dstHost)).toBe(true);
    expect(isSame(dstHost, 'b')).toBe(false);
    expect(isSame(dstHost.replace('8383', '8384'))).toBe(false);
  });

  test.each(['http://10.0.0.6:8383', 'http://edge-2:8383', 'http://[fe80::2]:8383'])(
    'is not behind another host such as %s',
    (dstHost) => {
      expect(isSame(dstHost)).toBe(false);
    },
  );

  test('is seen behind the default port of the scheme', () => {
    expect(isSame('http://localhost', 'a', 80)).toBe(true);
    expect(isSame('https://localhost', 'a', 443)).toBe(true);
    expect(isSame('https://localhost', 'a', 80)).toBe(false);
    expect(isSame('http://localhost:80', 'a', 80)).toBe(true);
  });
});
