/** An instance with the alias `local`, and the executable to manage it with. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningInstance, startInstance, TEST_TOKEN } from './instance.ts';
import { type CliHome, cliHome } from './millrace.ts';

export interface CliServer {
  readonly instance: RunningInstance;
  readonly cli: CliHome;
  readonly folder: string;
  stop(): Promise<void>;
}

/** Without system events: lists show what the test made. */
export async function startCliServer(): Promise<CliServer> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-cli-'));
  const instance = await startInstance(join(folder, 'data'), { RS_SYSTEM_EVENTS_ENABLED: 'false' });
  const cli = cliHome(folder);
  await cli.ok('alias', 'add', 'local', '--url', instance.url, '--token', TEST_TOKEN);
  return {
    instance,
    cli,
    folder,
    stop: async () => {
      await instance.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
