/**
 * Mutated requests over raw sockets while a well-behaved client ingests. `FUZZ_SECONDS` (20 unless set; 600 for a long
 * run), `FUZZ_SEED` to begin with the same requests again.
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Api } from '../lib/api.ts';
import { freePort, ServerProcess } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';
import { Attacker } from './fuzz/attacker.ts';
import { Bystander, bystanderRecord } from './fuzz/bystander.ts';
import { openDescriptors, residentBytes } from './fuzz/process-figures.ts';
import { Random } from './fuzz/random.ts';

const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 20);
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 32);
const ATTACKERS = 16;
const TOKEN = 'fuzz-admin';
const MIB = 1024 * 1024;
/** An answer later than this is a hang for somebody who writes ten times a second. */
const LONGEST_ANSWER_MS = 15_000;
/** Above what the process holds after the warm-up: its bounds for uploads and caches, and room for its heap. */
const GROWTH_BYTES = 256 * MIB;

async function fuzzToken(api: Api): Promise<string> {
  const permissions = { permissions: { read: ['fuzz'], write: ['fuzz'] } };
  const { text } = await api.ok('POST', '/tokens/fuzz', {}, JSON.stringify(permissions));
  const { value }: { value: string } = JSON.parse(text);
  return value;
}

test(
  `${SECONDS} s of mutated requests harm neither the server nor a well-behaved client`,
  { timeout: SECONDS * 1000 + 120_000 },
  async () => {
    await withTempDir(async (path) => {
      const port = await freePort();
      const env = {
        MILLRACE_DURABILITY: 'os',
        MILLRACE_UPLOAD_MEMORY: '64MiB',
        MILLRACE_CACHE_MEMORY: '32MiB',
        RS_LOG_LEVEL: 'ERROR',
      };
      const server = new ServerProcess({ dataPath: join(path, 'data'), port, token: TOKEN, env });
      await server.start();
      const api = new Api(server.url, TOKEN);
      try {
        for (const bucket of ['fuzz', 'ingest']) await api.ok('POST', `/b/${bucket}`);
        const token = await fuzzToken(api);
        await new Bystander(api, 'ingest', 'warm-up').run(Date.now() + 2_000);
        const { pid } = server;
        const before = await openDescriptors(pid);
        const residentBefore = await residentBytes(pid);

        const untilMs = Date.now() + SECONDS * 1000;
        const bystander = new Bystander(api, 'ingest', 'sensor');
        const attackers = Array.from(
          { length: ATTACKERS },
          (_, i) => new Attacker(port, token, new Random(SEED + i)),
        );
        const what = `seed ${SEED}`;
        await Promise.all([
          bystander.run(untilMs),
          ...attackers.map((attacker) => attacker.run(untilMs)),
        ]).catch((error: unknown) => {
          throw new Error(`${what}; the server said:\n${server.output}`, { cause: error });
        });

        expect(server.pid, what).toBe(pid);
        expect(bystander.longestMs, what).toBeLessThan(LONGEST_ANSWER_MS);
        await expect
          .poll(async () => (await openDescriptors(pid)).sockets, {
            timeout: 20_000,
            message: what,
          })
          .toBeLessThanOrEqual(before.sockets);
        const after = await openDescriptors(pid);
        expect(after.others, what).toBeLessThanOrEqual(before.others + 2);
        expect((await residentBytes(pid)) - residentBefore, what).toBeLessThan(GROWTH_BYTES);

        const stored = await api.readAll('ingest', 'sensor');
        expect(stored.map(({ ts }) => ts)).toEqual([...bystander.acknowledged]);
        const isOwn = stored.every(({ ts, payload }) =>
          payload.equals(bystanderRecord(ts).payload),
        );
        expect(isOwn, 'contents are those written').toBe(true);
        expect(bystander.acknowledged.size).toBeGreaterThan(SECONDS);
        expect(attackers.reduce((sum, { figures }) => sum + figures.requests, 0)).toBeGreaterThan(
          SECONDS,
        );
        expect(await server.stop(), server.output).toBe(0);
        expect(server.output, what).not.toMatch(/fault of ours|BUG:/);
      } finally {
        await api.close();
        await server.kill();
      }
    });
  },
);
