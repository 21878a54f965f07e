/** A whole instance inside the test process, on a free loopback port. Worker threads come from the build. */
import { Instance } from '../../src/app/instance.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { silentLogger } from '../../src/logging/logger.ts';
import { Api } from './api.ts';
import { withTempDir } from './temp-dir.ts';

export interface RunningInstance {
  readonly url: string;
  readonly api: Api;
  readonly dataPath: string;
  /** Stops and starts again on the same folder (and a new port). */
  restart(): Promise<RunningInstance>;
  stop(): Promise<void>;
}

export const TEST_TOKEN = 'test-token';

/** @param env further variables; `RS_API_TOKEN` is `TEST_TOKEN` unless they say who may come. */
export async function startInstance(
  dataPath: string,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningInstance> {
  const settings: Record<string, string> = {
    RS_HOST: '127.0.0.1',
    RS_PORT: '0',
    RS_DATA_PATH: dataPath,
    ...(saysWhoMayCome(env) ? {} : { RS_API_TOKEN: TEST_TOKEN }),
    MILLRACE_DURABILITY: 'os',
    MILLRACE_RING_SIZE: '4MiB',
    ...env,
  };
  const { config, provisioning } = loadConfig(settings);
  const instance = new Instance(config, silentLogger, provisioning);
  const port = await instance.start();
  const url = `http://127.0.0.1:${port}`;
  const api = new Api(url, settings['RS_API_TOKEN'] ?? settings['RS_INIT_API_TOKEN']);
  const stop = async (): Promise<void> => {
    await api.close();
    await instance.stop();
  };
  return {
    url,
    api,
    dataPath,
    stop,
    restart: async () => {
      await stop();
      return startInstance(dataPath, env);
    },
  };
}

function saysWhoMayCome(env: Readonly<Record<string, string>>): boolean {
  return 'RS_DISABLE_AUTH' in env || 'RS_INIT_API_TOKEN' in env;
}

/** Runs `use` with an instance on an empty folder and stops it afterwards, whatever happened. */
export async function withInstance(
  use: (instance: RunningInstance) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  await withTempDir(async (path) => {
    const instance = await startInstance(path, env);
    try {
      await use(instance);
    } finally {
      await instance.stop();
    }
  });
}
