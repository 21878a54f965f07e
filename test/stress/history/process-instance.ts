/** An instance in a process of its own whose restart is a SIGKILL: nothing is told to it before. */
import { Api } from '../../lib/api.ts';
import type { RunningInstance } from '../../lib/instance.ts';
import { ServerProcess } from '../../lib/server-process.ts';

const TOKEN = 'history';

/** Starts the process. @param port one that stays free while the process is down. */
export async function startProcess(dataPath: string, port: number): Promise<RunningInstance> {
  const env = { MILLRACE_DURABILITY: 'os', MILLRACE_RING_SIZE: '4MiB' };
  const server = new ServerProcess({ dataPath, port, token: TOKEN, env });
  await server.start();
  const api = new Api(server.url, TOKEN);
  return {
    url: server.url,
    api,
    dataPath,
    stop: async () => {
      await api.close();
      await server.stop();
    },
    restart: async () => {
      await server.kill();
      await api.close();
      return startProcess(dataPath, port);
    },
  };
}
