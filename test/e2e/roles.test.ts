/** Two server processes on one data folder. */
import { expect, test } from 'vitest';
import { request } from 'undici';
import { freePort, ServerProcess } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';

async function statusOf(server: ServerProcess, path: string): Promise<number> {
  const { statusCode, body } = await request(`${server.url}/api/v1${path}`);
  await body.dump();
  return statusCode;
}

async function untilAnswering(server: ServerProcess): Promise<void> {
  for (;;) {
    if (server.hasEnded) throw new Error(server.output);
    try {
      await statusOf(server, '/alive');
      return;
    } catch {
      // Not listening yet.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** A primary and a secondary on one folder, the primary ready and the secondary waiting. */
async function withTwo(
  use: (primary: ServerProcess, secondary: ServerProcess) => Promise<void>,
): Promise<void> {
  await withTempDir(async (dataPath) => {
    const server = async (role: string): Promise<ServerProcess> =>
      new ServerProcess({
        dataPath,
        port: await freePort(),
        env: { RS_INSTANCE_ROLE: role, RS_LOG_LEVEL: 'INFO' },
      });
    const primary = await server('PRIMARY');
    const secondary = await server('SECONDARY');
    try {
      await primary.start();
      secondary.spawn();
      await untilAnswering(secondary);
      await use(primary, secondary);
    } finally {
      await secondary.stop();
      await primary.stop();
    }
  });
}

test('a SECONDARY answers 503 while its PRIMARY lives, and takes over when that is killed', async () => {
  await withTwo(async (primary, secondary) => {
    const url = `${primary.url}/api/v1/b/bucket`;
    await request(url, { method: 'POST' });
    const written = await request(`${url}/entry?ts=1`, { method: 'POST', body: 'kept' });
    expect(written.statusCode).toBe(200);
    expect(await statusOf(secondary, '/alive')).toBe(200);
    expect(await statusOf(secondary, '/ready')).toBe(503);
    await primary.kill();
    while (!(await secondary.isReady())) {
      if (secondary.hasEnded) throw new Error(secondary.output);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const read = await request(`${secondary.url}/api/v1/b/bucket/entry?ts=1`);
    expect(await read.body.text()).toBe('kept');
    const info = await request(`${secondary.url}/api/v1/info`);
    expect(await info.body.json()).toMatchObject({ instance_role: 'SECONDARY' });
    expect(await statusOf(secondary, '/ready')).toBe(200);
  });
});

test('a SECONDARY that is stopped while it waits ends without an error', async () => {
  await withTwo(async (primary, secondary) => {
    expect(await secondary.stop()).toBe(0);
    expect(secondary.output).not.toContain('could not start');
    expect(await statusOf(primary, '/ready')).toBe(200);
  });
});
