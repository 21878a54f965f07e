/** Records that a condition cannot be evaluated for are left out, and nobody has to guess why (replication §2.5). */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Api } from '../lib/api.ts';
import { until } from '../lib/engine-fixture.ts';
import { FakeTarget } from '../lib/fake-target.ts';
import { freePort, ServerProcess } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const LIMIT_MS = 50_000;

test('the log says why a condition leaves out records, and the task counts them', async () => {
  await withTempDir(async (path) => {
    const target = new FakeTarget();
    await target.start();
    const port = await freePort();
    const server = new ServerProcess({ dataPath: join(path, 'data'), port, token: 't' });
    const api = new Api(server.url, 't');
    try {
      await server.start();
      await api.ok('POST', '/b/src');
      const settings = { src_bucket: 'src', dst_bucket: 'dst', dst_host: target.url };
      const body = JSON.stringify({ ...settings, when: { '&score': { $gt: 1 } } });
      await api.ok('POST', '/replications/t', {}, body);
      const payload = Buffer.from('x');
      for (const ts of [1n, 2n]) await api.write('src', 'e', { ts, payload, labels: {} });
      await api.write('src', 'e', { ts: 3n, payload, labels: { score: '2' } });
      await until(() => target.recordsOf('dst/e').length === 1, LIMIT_MS);
      await until(async () => {
        const { text } = await api.ok('GET', '/replications/t?ext=1');
        return JSON.parse(text).extended.condition_errors === 2;
      }, LIMIT_MS);
      const said = (): boolean => server.output.includes("Reference 'score' not found");
      await until(said, LIMIT_MS);
      const line = server.output.split('\n').find((text) => text.includes("Reference 'score'"));
      expect(JSON.parse(line ?? '{}')).toMatchObject({
        level: 'warn',
        task: 't',
        reason: "Reference 'score' not found",
        msg: 'records are not replicated: the condition cannot be evaluated for them',
      });
    } finally {
      await server.kill();
      await api.close();
      await target.stop();
    }
  });
}, 180_000);
