import { createServer, request as forward, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { proxyFor, proxySettings } from '../../../src/replication/transfer/proxy.ts';
import { probeConnect } from '../../../src/replication/transfer/target-check.ts';
import { RequestGroup } from '../../../src/replication/transfer/exchange.ts';
import { TargetClient } from '../../../src/replication/transfer/target-client.ts';
import { FakeTarget } from '../../lib/fake-target.ts';
import { LogFixture } from '../../lib/log-fixture.ts';
import { BUCKET, newRuntime, payloadOf, settingsFor, SliceDriver } from '../../lib/slice-driver.ts';

describe('the proxy for a target', () => {
  const settings = { http: 'http://proxy:3128', https: 'proxy.example:8080', no: '' };

  function chosen(target: string, no = ''): string | undefined {
    return proxyFor(new URL(target), { ...settings, no })?.href;
  }

  test('depends on the scheme of the target', () => {
    expect(chosen('http://plant.example')).toBe('http://proxy:3128/');
    expect(chosen('https://plant.example')).toBe('http://proxy.example:8080/');
  });

  test.each([
    ['*', 'http://a.b', true],
    ['a.b', 'http://a.b', true],
    ['a.b', 'http://x.a.b', true],
    ['.a.b', 'http://x.a.b', true],
    ['*.a.b', 'http://x.a.b', true],
    ['a.b', 'http://xa.b', false],
    ['A.B', 'http://a.b', true],
    ['c, a.b', 'http://a.b', true],
    ['c a.b', 'http://a.b', true],
    ['a.b:8080', 'http://a.b', false],
    ['a.b:8080', 'http://a.b:8080', true],
    ['a.b:443', 'https://a.b', true],
    ['10.0.0.0/8', 'http://10.1.2.3', true],
    ['10.0.0.0/8', 'http://11.1.2.3', false],
    ['10.0.0.0/99', 'http://10.1.2.3', false],
    ['10.0.0.0/8', 'http://ten.example', false],
    ['::1', 'http://[::1]:80', true],
    ['[::1]:8080', 'http://[::1]:8080', true],
    ['fd00::/8', 'http://[fd12::1]', true],
    [',', 'http://a.b', false],
  ])('NO_PROXY=%s and %s: %s', (no, target, isExempt) => {
    expect(chosen(target, no) === undefined).toBe(isExempt);
  });

  test('is read in both cases, the lower one first', () => {
    expect(proxySettings({ HTTP_PROXY: 'a', http_proxy: 'b', HTTPS_PROXY: 'c' })).toEqual({
      http: 'b',
      https: 'c',
      no: '',
    });
    expect(proxyFor(new URL('http://x'), { http: 'http://', https: '', no: '' })).toBeNull();
  });
});

describe('requests through a proxy', () => {
  let proxy: Server | undefined;
  /** Request lines and authorizations. */
  const seen: string[] = [];

  afterEach(() => {
    proxy?.closeAllConnections();
    proxy?.close();
    seen.length = 0;
  });

  async function startProxy(): Promise<string> {
    proxy = createServer({ maxHeaderSize: 1 << 20 }, (req, res) => {
      seen.push(`${req.method} ${req.url} ${req.headers['proxy-authorization'] ?? ''}`);
      const { 'proxy-authorization': _, ...headers } = req.headers;
      const upstream = forward(req.url ?? '', { method: req.method, headers }, (answer) => {
        res.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(res);
      });
      req.pipe(upstream);
    });
    proxy.on('connect', (req, socket) => {
      seen.push(`CONNECT ${req.url}`);
      const [host = '', port = ''] = (req.url ?? '').split(':');
      const upstream = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(upstream).pipe(socket);
      });
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
    });
    await new Promise<void>((resolve) => proxy?.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as AddressInfo;
    return `http://user:secret@127.0.0.1:${port}`;
  }

  test('carry whole batches with whole URLs, and the name and password of the proxy', async () => {
    const url = await startProxy();
    const log = await LogFixture.open();
    const target = new FakeTarget();
    await target.start();
    try {
      const records = Array.from({ length: 5 }, (_, at) => ({
        ts: BigInt(at),
        payload: payloadOf(1, BigInt(at), 50),
        labels: ['n', `${at}`],
      }));
      log.append(BUCKET, 1, records);
      log.publish();
      const runtime = newRuntime(log, { proxies: { http: url, https: '', no: '' } });
      await new SliceDriver(runtime, settingsFor(target.url), new Map([[1, 'a']])).drain();
      const stored = target.recordsOf('dst/a');
      expect(stored.map(({ ts, labels }) => [Number(ts), labels.get('n')])).toEqual(
        records.map(({ ts }) => [Number(ts), `${ts}`]),
      );
      const basic = `Basic ${Buffer.from('user:secret').toString('base64')}`;
      expect(seen).toEqual([
        `GET ${target.url}/api/v1/b/dst ${basic}`,
        `POST ${target.url}/api/v1/b/dst/a/batch ${basic}`,
      ]);
      expect(target.requests[0]?.headers['proxy-authorization']).toBeUndefined();
      await runtime.close();
    } finally {
      await target.stop();
      await log.close();
    }
  });

  test('go through a tunnel to targets with https', async () => {
    const url = await startProxy();
    const options = {
      connectTimeoutMs: 30_000,
      noProgressTimeoutMs: 30_000,
      caPem: null,
      verifyTls: true,
      proxies: { http: '', https: url, no: '' },
    };
    const client = new TargetClient(new URL('https://127.0.0.1:9'), null, options);
    const request = {
      method: 'GET',
      path: 'b/x',
      headers: [],
      recordHeaders: null,
      body: null,
    } as const;
    await expect(client.request(request, new RequestGroup())).rejects.toThrow(
      /^The proxy 127\.0\.0\.1:\d+ closed the connection$/,
    );
    await client.close();
    expect(seen[0]).toBe('CONNECT 127.0.0.1:9');
  });

  test('are probed for at the proxy', async () => {
    const url = await startProxy();
    const proxies = { http: url, https: '', no: '' };
    expect(await probeConnect('http://127.0.0.1:9', proxies)).toBeNull();
    expect((await probeConnect('http://127.0.0.1:9'))?.kind).toBe('unreachable');
  });
});
