import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { request } from 'undici';
import { describe, expect, test } from 'vitest';
import { FakeTarget } from '../lib/fake-target.ts';
import { TEST_TOKEN, withInstance } from '../lib/instance.ts';
import { cliHome, MILLRACE } from '../lib/millrace.ts';
import { withTempDir } from '../lib/temp-dir.ts';
import { copyBetween, fill, someRecords, withPair } from './lib/copy-harness.ts';
import { SpoilingProxy } from './lib/spoiling-proxy.ts';

/** A copy through a proxy before the source. */
async function withSpoiledSource(
  use: (proxy: SpoilingProxy, pair: Parameters<Parameters<typeof withPair>[0]>[0]) => Promise<void>,
): Promise<void> {
  await withPair(async (pair) => {
    const proxy = new SpoilingProxy(pair.source.url);
    await proxy.start();
    try {
      await use(proxy, pair);
    } finally {
      await proxy.stop();
    }
  });
}

describe('a copy from a source that fails', () => {
  test('goes on behind the last record when answers break off now and then', async () => {
    await withSpoiledSource(async (proxy, { source, target }) => {
      const records = someRecords(3_000, (index) => ({ index: `${index}` }));
      await fill(source.api, 'src', 'one', records);
      let answers = 0;
      proxy.spoil = ({ method, path }) => {
        if (method !== 'GET' || !path.includes('/batch?q=')) return null;
        answers++;
        return answers % 3 === 1 ? 'cut' : null;
      };

      const report = await copyBetween(proxy.url, target.url, { verify: true });

      expect(report.tally).toMatchObject({ copiedRecords: 3_000, failedRecords: 0 });
      expect(report.verifiedRecords).toBe(3_000);
    });
  });

  test('copies all records but the one that cannot be read, and reports that', async () => {
    await withSpoiledSource(async (proxy, { source, target }) => {
      const records = someRecords(1_000);
      await fill(source.api, 'src', 'one', records);
      const bad = records[321]?.ts ?? 0n;
      proxy.spoil = ({ method, path, timestamps }) => {
        if (method !== 'GET') return null;
        if (path.includes(`?ts=${bad}`)) return { status: 500, text: 'block is corrupt' };
        return timestamps.includes(bad) ? 'cut' : null;
      };

      const report = await copyBetween(proxy.url, target.url);

      expect(report.failures.first).toEqual([
        { entry: 'one', ts: bad, status: 500, reason: 'block is corrupt' },
      ]);
      expect(report.failedEntries).toEqual([]);
      const copied = await target.api.readAll('dst', 'one');
      expect(copied).toEqual(records.filter(({ ts }) => ts !== bad));
    });
  });

  test('starts a condition with a memory anew and takes what it has not got yet', async () => {
    await withSpoiledSource(async (proxy, { source, target }) => {
      const records = someRecords(2_000);
      await fill(source.api, 'src', 'one', records);
      let answers = 0;
      proxy.spoil = ({ method, path }) =>
        method === 'GET' && path.includes('/batch?q=') && ++answers === 2 ? 'cut' : null;
      const filter = {
        include: {},
        exclude: {},
        eachN: null,
        eachS: null,
        whenText: '{"$each_n": 3}',
        strict: false,
        limit: null,
        extText: null,
      };

      const report = await copyBetween(proxy.url, target.url, { filter });

      const passing = records.filter((_, index) => index % 3 === 2);
      expect(report.tally.copiedRecords).toBe(passing.length);
      expect(await target.api.readAll('dst', 'one')).toEqual(passing);
    });
  });

  test('ends as a whole when nobody answers any more, and is completed later', async () => {
    await withSpoiledSource(async (proxy, { source, target }) => {
      await fill(source.api, 'src', 'one', someRecords(2_000));
      let isDown = false;
      proxy.spoil = ({ path }) => {
        if (path.includes('/batch?q=') && !isDown) {
          isDown = true;
          return null;
        }
        return isDown ? 'cut' : null;
      };
      const first = await copyBetween(proxy.url, target.url);
      expect(first.stoppedBecause).toContain("source 'src'");
      proxy.spoil = () => null;
      const second = await copyBetween(proxy.url, target.url, { verify: true });
      expect(first.tally.copiedRecords + second.tally.copiedRecords).toBe(2_000);
      expect(second.verifiedRecords).toBe(2_000);
    });
  });
});

describe('a copy to a destination that fails', () => {
  test('writes each record once, in order, through refusals, resets and lost answers', async () => {
    await withInstance(async ({ url, api }) => {
      const records = someRecords(900, (index) => ({ index: `${index}` }));
      await fill(api, 'src', 'one', records);
      const target = new FakeTarget();
      await target.start();
      const faults = ['reset', 'reset-mid-answer'] as const;
      let requests = 0;
      target.faultOf = () => {
        requests++;
        if (requests % 4 === 0) return { kind: 'status', status: 503, text: 'busy' };
        if (requests % 4 === 2) return { kind: faults[requests % 3 === 0 ? 0 : 1] };
        return { kind: 'ok' };
      };
      try {
        const report = await copyBetween(url, target.url);
        expect(report).toMatchObject({ failedEntries: [], stoppedBecause: null });
        const stored = target.recordsOf('dst/one').map(({ ts }) => ts);
        expect(stored).toEqual(records.map(({ ts }) => ts));
        expect(target.maxInFlight.get('dst/one')).toBe(1);
      } finally {
        await target.stop();
      }
    });
  });

  test('halves a batch that is too large for it', async () => {
    await withInstance(async ({ url, api }) => {
      await fill(api, 'src', 'one', someRecords(200));
      const target = new FakeTarget();
      await target.start();
      target.faultOf = ({ timestamps }) =>
        timestamps.length > 20
          ? { kind: 'status', status: 431, text: 'heads too large' }
          : { kind: 'ok' };
      try {
        const report = await copyBetween(url, target.url);
        expect(report.tally).toMatchObject({ copiedRecords: 200, failedRecords: 0 });
      } finally {
        await target.stop();
      }
    });
  });

  test('counts what is there, also of a page that was written in part', async () => {
    await withInstance(async ({ url, api }) => {
      await fill(api, 'src', 'one', someRecords(500));
      const target = new FakeTarget();
      await target.start();
      target.faultOf = ({ timestamps }) =>
        timestamps.includes(1_200_000n)
          ? { kind: 'status', status: 403, text: 'no more' }
          : { kind: 'ok' };
      try {
        const report = await copyBetween(url, target.url);
        expect(report.stoppedBecause).toContain('no more');
        expect(report.tally.copiedRecords).toBeGreaterThan(0);
        expect(report.tally.copiedRecords).toBe(target.recordsOf('dst/one').length);
      } finally {
        await target.stop();
      }
    });
  });

  test('ends at once when nobody was ever there', async () => {
    await withInstance(async ({ url, api }) => {
      await fill(api, 'src', 'one', someRecords(5));
      const nowhere = 'http://127.0.0.1:1';
      await expect(copyBetween(url, nowhere)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await expect(copyBetween(nowhere, url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    });
  });

  test('says at once that a token does not do', async () => {
    await withInstance(async ({ url, api }) => {
      await fill(api, 'src', 'one', someRecords(5));
      const target = new FakeTarget();
      await target.start();
      target.faultOf = () => ({ kind: 'status', status: 403, text: 'no write access' });
      try {
        const report = await copyBetween(url, target.url);
        expect(report.stoppedBecause).toBe("destination 'dst': no write access (403)");
      } finally {
        await target.stop();
      }
    });
  });
});

test.runIf(process.platform === 'linux')(
  'a record of 300 MB passes through a process that stays below 260 MB',
  async () => {
    await withTempDir(async (folder) => {
      await withPair(async ({ source, target }) => {
        const lengthBytes = 300_000_000;
        await source.api.ok('POST', '/b/src');
        const piece = Buffer.alloc(1_000_000, 'large');
        const body = Readable.from(
          (function* () {
            for (let sent = 0; sent < lengthBytes; sent += piece.length) yield piece;
          })(),
        );
        const written = await request(`${source.url}/api/v1/b/src/big?ts=5`, {
          method: 'POST',
          headers: { authorization: `Bearer ${TEST_TOKEN}`, 'content-length': `${lengthBytes}` },
          body,
        });
        await written.body.dump();
        expect(written.statusCode).toBe(200);
        const cli = cliHome(folder);
        const place = (url: string): string => url.replace('://', `://${TEST_TOKEN}@`);
        const args = ['cp', `${place(source.url)}/src`, `${place(target.url)}/dst`, '-q'];
        const env = { PATH: process.env['PATH'] ?? '', MILLRACE_CONFIG: cli.configPath };
        const child = spawn(process.execPath, [MILLRACE, ...args], { env, stdio: 'ignore' });
        const exited = once(child, 'exit');
        let peakKb = 0;
        while (child.exitCode === null) {
          const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
          peakKb = Math.max(peakKb, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0));
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await exited;
        expect(child.exitCode).toBe(0);
        const head = await target.api.call('HEAD', '/b/dst/big?ts=5');
        expect(head.headers['content-length']).toBe(`${lengthBytes}`);
        expect(peakKb).toBeGreaterThan(0);
        expect(peakKb).toBeLessThan(260_000);
      });
    });
  },
);
