/** Copies by the executable between two instances, and ways to end them in the middle. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { TEST_TOKEN } from '../../lib/instance.ts';
import { type CliHome, cliHome, MILLRACE } from '../../lib/millrace.ts';
import { withTempDir } from '../../lib/temp-dir.ts';
import { type Pair, withPair } from '../../copy/lib/copy-harness.ts';
import { SpoilingProxy } from '../../copy/lib/spoiling-proxy.ts';

/** Two instances and their aliases `src-instance` and `dst-instance`. */
export async function withCli(use: (cli: CliHome, pair: Pair, folder: string) => Promise<void>) {
  await withTempDir(async (folder) => {
    await withPair(
      async (pair) => {
        const cli = cliHome(folder);
        const add = (name: string, url: string): Promise<string> =>
          cli.ok('alias', 'add', name, '--url', url, '--token', TEST_TOKEN);
        await add('src-instance', pair.source.url);
        await add('dst-instance', pair.target.url);
        await use(cli, pair, folder);
      },
      { RS_SYSTEM_EVENTS_ENABLED: 'false' },
    );
  });
}

/** A server that gives two batches of each entry, and the others once `open` was called: nobody is done before. */
export async function withHalfASource<T>(
  url: string,
  use: (url: string, open: () => void, proxy: SpoilingProxy) => Promise<T>,
): Promise<T> {
  const proxy = new SpoilingProxy(url);
  await proxy.start();
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const given = new Map<string, number>();
  proxy.gate = async ({ method, path }) => {
    const [entry = '', isBatch] = path.split('/batch?q=');
    if (method !== 'GET' || isBatch === undefined) return;
    const count = (given.get(entry) ?? 0) + 1;
    given.set(entry, count);
    if (count > 2) await opened;
  };
  try {
    return await use(proxy.url.replace('://', `://${TEST_TOKEN}@`), open, proxy);
  } finally {
    open();
    await proxy.stop();
  }
}

/** Starts a command, ends it when `isTime` says so, and returns its exit code. @param onSignal called once it is sent. */
export async function interrupt(
  cli: CliHome,
  args: readonly string[],
  signal: NodeJS.Signals,
  onSignal: () => void,
  isTime: () => Promise<boolean>,
): Promise<number | null> {
  const env = { PATH: process.env['PATH'] ?? '', MILLRACE_CONFIG: cli.configPath };
  const child = spawn(process.execPath, [MILLRACE, ...args], { env, stdio: 'ignore' });
  const exited = once(child, 'exit');
  while (child.exitCode === null && !(await isTime())) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  child.kill(signal);
  onSignal();
  await exited;
  return child.exitCode;
}
