/** One running instance for all scenarios of a client. */
import { afterAll, beforeAll } from 'vitest';
import { newTempDir } from '../../lib/temp-dir.ts';
import type { TempDir } from '../../lib/temp-dir.ts';
import { freePort, ServerProcess } from '../../lib/server-process.ts';

export const CLIENT_TOKEN = 'clients-token';

export interface ClientServer {
  /** Base URL without a slash at the end; known once the suite has started. */
  url(): string;
}

/**
 * Starts a server with a token before the tests of the calling file and stops it after them. The file fails when the
 * server does not stop in order, so a client that breaks it is seen.
 */
export function useClientServer(env: Readonly<Record<string, string>> = {}): ClientServer {
  let server: ServerProcess | undefined;
  let folder: TempDir | undefined;
  beforeAll(async () => {
    folder = await newTempDir();
    const settings = { MILLRACE_DURABILITY: 'os', RS_INSTANCE_NAME: 'clients', ...env };
    server = new ServerProcess({
      dataPath: folder.path,
      port: await freePort(),
      token: CLIENT_TOKEN,
      env: settings,
    });
    await server.start();
  });
  afterAll(async () => {
    const running = server;
    try {
      const code = await running?.stop();
      if (code !== 0) throw new Error(`the server ended with ${code}:\n${running?.output}`);
    } finally {
      await folder?.remove();
    }
  });
  return {
    url: () => {
      if (server === undefined) throw new Error('the server is not started');
      return server.url;
    },
  };
}
