import { describe, expect, test } from 'vitest';
import { ANNOUNCED_API_VERSION } from '../../src/http/version.ts';
import { openFront } from '../lib/front-harness.ts';
import type { FrontHarness } from '../lib/front-harness.ts';
import type { FrontConfig } from '../../src/http/deps.ts';
import { connectRaw, requestHead } from '../lib/raw-http.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const HOUR_MS = 3_600_000;

function withLimits(
  config: Partial<FrontConfig>,
  use: (front: FrontHarness) => Promise<void>,
): Promise<void> {
  return withTempDir(async (path) => {
    const front = await openFront(path, { config });
    try {
      await use(front);
    } finally {
      await front.close();
    }
  });
}

describe('the limit of requests', () => {
  const limits = { rateLimitApi: { amount: 4, periodMs: HOUR_MS } };

  test('counts every request of an address, whatever it asks for', async () => {
    await withLimits(limits, async (front) => {
      expect((await front.api('GET', '/alive')).status).toBe(200);
      expect((await front.api('HEAD', '/nowhere')).status).toBe(404);
      expect((await front.api('OPTIONS', '/info')).status).toBe(200);
      expect((await front.api('PATCH', '/info')).status).toBe(405);
      const refused = await front.api('GET', '/info');
      expect(refused.status).toBe(429);
      expect(refused.header('x-reduct-error')).toBe(
        'rate limit for api requests (client 127.0.0.1) exceeded: used=4 limit=4 retry_after=3600s',
      );
      expect(refused.header('retry-after')).toBe('3600');
      expect(refused.header('x-reduct-api')).toBe(ANNOUNCED_API_VERSION);
      expect(JSON.parse(refused.body.toString())).toEqual({
        detail: refused.header('x-reduct-error'),
      });
    });
  });

  test('tells clients behind a proxy apart', async () => {
    await withLimits(limits, async (front) => {
      const from = (address: string): Promise<number> =>
        front
          .api('GET', '/info', { headers: { 'x-forwarded-for': address } })
          .then(({ status }) => status);
      for (let i = 0; i < 4; i++) expect(await from('203.0.113.1')).toBe(200);
      expect(await from('203.0.113.1')).toBe(429);
      expect(await from('203.0.113.2')).toBe(200);
    });
  });

  test('reads the body of a refused request, so that the connection goes on', async () => {
    await withLimits({ rateLimitApi: { amount: 1, periodMs: HOUR_MS } }, async (front) => {
      await front.api('POST', '/b/data');
      const connection = await connectRaw(front.port);
      const body = Buffer.alloc(3_000_000);
      const write = { method: 'POST', path: '/api/v1/b/data/e?ts=1', body };
      await connection.send(Buffer.concat([Buffer.from(requestHead(write)), body]));
      expect((await connection.response()).status).toBe(429);
      await connection.send(requestHead({ method: 'GET', path: '/api/v1/alive' }));
      expect((await connection.response()).status).toBe(429);
      connection.destroy();
      await expect.poll(() => front.server.figures().uploads.heldBytes).toBe(0);
    });
  });
});

describe('the limit of bytes written', () => {
  const limits = { rateLimitIngress: { amount: 1000, periodMs: HOUR_MS } };
  const error = (used: number): string =>
    `rate limit for ingress bytes (client 127.0.0.1) exceeded: used=${used} B (${used}) limit=1000 B (1000) retry_after=3600s`;

  test('counts declared lengths of single writes and of both batch protocols', async () => {
    await withLimits(limits, async (front) => {
      await front.api('POST', '/b/data');
      const write = (ts: number, length: number): ReturnType<typeof front.api> =>
        front.api('POST', `/b/data/e?ts=${ts}`, { body: Buffer.alloc(length) });
      const batch = (length: number): ReturnType<typeof front.api> =>
        front.api('POST', '/b/data/e/batch', {
          headers: { [`x-reduct-time-${length}`]: `${length},` },
          body: Buffer.alloc(length),
        });
      const multi = (length: number): ReturnType<typeof front.api> =>
        front.api('POST', '/io/data/write', {
          headers: {
            'x-reduct-entries': 'e',
            'x-reduct-start-ts': '5000',
            [`x-reduct-0-${length}`]: `${length},`,
          },
          body: Buffer.alloc(length),
        });
      expect((await write(1, 400)).status).toBe(200);
      expect((await batch(300)).status).toBe(200);
      expect((await multi(200)).status).toBe(200);
      for (const refused of [await write(2, 101), await batch(102), await multi(103)]) {
        expect(refused.status).toBe(429);
        expect(refused.header('x-reduct-error')).toBe(error(900));
        expect(refused.header('retry-after')).toBe('3600');
      }
      expect((await front.api('GET', '/b/data/e?ts=2')).status).toBe(404);
      expect((await write(3, 100)).status).toBe(200);
    });
  });

  test('comes behind the length and before the content type of a write', async () => {
    await withLimits(limits, async (front) => {
      const write = (headers: Record<string, string>): ReturnType<typeof front.api> =>
        front.api('POST', '/b/missing/e?ts=1', { headers, body: Buffer.alloc(2000) });
      expect((await write({})).status).toBe(429);
      expect((await write({ 'content-type': 't\u00f6' })).status).toBe(429);
      expect((await front.api('POST', '/b/missing/e?ts=x', { body: 'xx' })).status).toBe(422);
    });
  });
});

describe('the limit of bytes read', () => {
  test('is charged before the answer, not for HEAD', async () => {
    await withLimits({ rateLimitEgress: { amount: 1000, periodMs: HOUR_MS } }, async (front) => {
      await front.api('POST', '/b/data');
      await front.api('POST', '/b/data/e?ts=1', { body: Buffer.alloc(600) });
      for (let i = 0; i < 3; i++) {
        expect((await front.api('HEAD', '/b/data/e?ts=1')).status).toBe(200);
      }
      expect((await front.api('GET', '/b/data/e?ts=1')).status).toBe(200);
      const refused = await front.api('GET', '/b/data/e');
      expect(refused.status).toBe(429);
      expect(refused.header('x-reduct-error')).toBe(
        'rate limit for egress bytes (client 127.0.0.1) exceeded: used=600 B (600) limit=1000 B (1000) retry_after=3600s',
      );
    });
  });

  test.each(['batch', 'single', 'multi'])(
    'a refused read of a query loses nothing: %s',
    async (kind) => {
      await withLimits({ rateLimitEgress: { amount: 1000, periodMs: 1_000 } }, async (front) => {
        await front.api('POST', '/b/data');
        for (let ts = 0; ts < 4; ts++) {
          await front.api('POST', `/b/data/e?ts=${ts}`, { body: Buffer.alloc(600, ts) });
        }
        const path = kind === 'multi' ? '/io/data/q' : '/b/data/e/q';
        const when = { '#batch_records': 1 };
        const body = JSON.stringify({ query_type: 'QUERY', when });
        const created = await front.api('POST', path, { body });
        const id = String(JSON.parse(created.body.toString()).id);
        const read = {
          batch: () => front.api('GET', `/b/data/e/batch?q=${id}`),
          single: () => front.api('GET', `/b/data/e?q=${id}`),
          multi: () => front.api('GET', '/io/data/read', { headers: { 'x-reduct-query-id': id } }),
        }[kind];
        const found: number[] = [];
        let refusals = 0;
        for (;;) {
          const answer = await read?.();
          if (answer === undefined || answer.status === 204) break;
          if (answer.status === 429) refusals++;
          else found.push(answer.body[0] ?? -1);
        }
        expect(found).toEqual([0, 1, 2, 3]);
        expect(refusals).toBeGreaterThan(0);
      });
    },
  );

  test('a batch above the whole limit passes once nothing else was read', async () => {
    await withLimits({ rateLimitEgress: { amount: 1000, periodMs: HOUR_MS } }, async (front) => {
      await front.api('POST', '/b/data');
      await front.api('POST', '/b/data/e?ts=1', { body: Buffer.alloc(2500) });
      const created = await front.api('GET', '/b/data/e/q');
      const { id } = JSON.parse(created.body.toString());
      expect((await front.api('GET', `/b/data/e/batch?q=${id}`)).body).toHaveLength(2500);
      const refused = await front.api('GET', '/b/data/e');
      expect(refused.header('x-reduct-error')).toContain('used=2.4 KiB (2500)');
      expect(refused.header('retry-after')).toBe(String(3 * 3600));
    });
  });
});
