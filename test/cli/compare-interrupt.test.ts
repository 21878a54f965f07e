import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { cliHome, MILLRACE } from '../lib/millrace.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const RUNNING = JSON.stringify({ state: 'running', progress: {}, totals: {} });

test('Ctrl-C ends the comparison at the server, too', async () => {
  await withTempDir(async (folder) => {
    const requests: string[] = [];
    let onWatched: () => void = () => undefined;
    const watched = new Promise<void>((resolve) => (onWatched = resolve));
    // A comparison that never ends by itself.
    const server = createServer((request, response) => {
      requests.push(`${request.method} ${request.url}`);
      if (request.method === 'GET') onWatched();
      response.end(RUNNING);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const child = spawn(process.execPath, [MILLRACE, 'replica', 'compare', `${url}/task`], {
        env: { MILLRACE_CONFIG: cliHome(folder).configPath },
        stdio: 'ignore',
      });
      await watched;
      child.kill('SIGINT');
      await once(child, 'exit');
      expect(child.exitCode).toBe(130);
      expect(requests[0]).toBe('POST /api/v1/replications/task/compare');
      expect(requests.at(-1)).toBe('DELETE /api/v1/replications/task/compare');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
