import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Workspace } from '../../src/demo/workspace.ts';

/** A server that only knows `/ready`, says who it is, and ends when `/exit` is asked for. */
const SERVER = `
import { createServer } from 'node:http';
const { RS_HOST, RS_PORT, RS_API_TOKEN, RS_INSTANCE_NAME, RS_LOG_LEVEL } = process.env;
console.log('I am', RS_INSTANCE_NAME, RS_LOG_LEVEL);
createServer((request, response) => {
  if (request.headers.authorization !== 'Bearer ' + RS_API_TOKEN) response.statusCode = 401;
  if (request.url === '/metrics') process.exit(7);
  response.end();
}).listen(Number(RS_PORT), RS_HOST);
`;

const NEVER = new AbortController().signal;
let folder = '';
let unexpected: Error[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-instance-test-'));
  unexpected = [];
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

async function workspaceWith(script: string): Promise<Workspace> {
  const serverPath = join(folder, 'server.mjs');
  writeFileSync(serverPath, script);
  const onUnexpectedExit = (error: Error): void => {
    unexpected.push(error);
  };
  return Workspace.create({ serverPath, neededBytes: 1, onUnexpectedExit });
}

function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('Workspace and Instance', () => {
  test('both processes run with their own settings, and nothing is left afterwards', async () => {
    vi.stubEnv('RS_LOG_LEVEL', 'TRACE');
    const workspace = await workspaceWith(SERVER);
    const { edge, cloud } = workspace;
    await Promise.all([edge.start(NEVER), cloud.start(NEVER)]);
    const pids = [edge.pid, cloud.pid];
    expect(pids.map((pid) => isAlive(pid))).toEqual([true, true]);
    expect(edge.url).not.toBe(cloud.url);
    expect(edge.token).not.toBe(cloud.token);
    expect(edge.logTail()).toBe('I am edge undefined');
    expect(await workspace.dispose()).toEqual([]);
    expect(pids.map((pid) => isAlive(pid))).toEqual([false, false]);
    expect(existsSync(workspace.folder)).toBe(false);
    expect(unexpected).toEqual([]);
  });

  test('an instance that was killed starts again on the same address', async () => {
    const workspace = await workspaceWith(SERVER);
    const { cloud } = workspace;
    await cloud.start(NEVER);
    const first = cloud.pid;
    await cloud.kill();
    expect([isAlive(first), cloud.pid, await cloud.client.isReady()]).toEqual([
      false,
      undefined,
      false,
    ]);
    await cloud.start(NEVER);
    expect(cloud.pid).not.toBe(first);
    await workspace.dispose();
    expect(unexpected).toEqual([]);
  });

  test('a process that ends by itself is reported with the end of its log', async () => {
    const workspace = await workspaceWith(SERVER);
    await workspace.edge.start(NEVER);
    await expect(workspace.edge.client.metricsText()).rejects.toThrow();
    await expect.poll(() => unexpected.length).toBe(1);
    expect(unexpected[0]?.message).toBe('The edge ended by itself (exit code 7)');
    expect(unexpected[0]).toMatchObject({ hint: expect.stringContaining('I am edge') });
    await workspace.dispose();
  });

  test('waiting for a process that never gets ready can be aborted', async () => {
    const workspace = await workspaceWith('setInterval(() => {}, 1000);');
    const controller = new AbortController();
    const starting = workspace.cloud.start(controller.signal);
    controller.abort(new Error('enough'));
    await expect(starting).rejects.toThrow('enough');
    await workspace.dispose();
    expect(workspace.cloud.pid).toBeUndefined();
  });

  test('too little room is told before anything starts', async () => {
    const options = { serverPath: '', neededBytes: 1e18, onUnexpectedExit: () => undefined };
    await expect(Workspace.create(options)).rejects.toThrow(/needs about/);
  });
});
