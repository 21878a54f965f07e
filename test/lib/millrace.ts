/** The built executable as a child process, with an alias file of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const MILLRACE: string = fileURLToPath(
  new URL('../../dist/src/cli/main.js', import.meta.url),
);

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliHome {
  /** The alias file. */
  readonly configPath: string;
  run(...args: string[]): Promise<CliResult>;
  /** Like `run`; throws with everything that was printed unless the exit code is 0. @returns stdout */
  ok(...args: string[]): Promise<string>;
}

/** @param folder where the alias file goes. @param env further variables; without a zone the times are in UTC. */
export function cliHome(folder: string, env: Readonly<Record<string, string>> = {}): CliHome {
  const configPath = join(folder, 'home', 'config.toml');
  const all = { PATH: process.env['PATH'] ?? '', TZ: 'UTC', MILLRACE_CONFIG: configPath, ...env };
  const run = (...args: string[]): Promise<CliResult> => runMillrace(args, all);
  return {
    configPath,
    run,
    ok: async (...args) => {
      const { code, stdout, stderr } = await run(...args);
      if (code === 0) return stdout;
      throw new Error(`millrace ${args.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`);
    },
  };
}

async function runMillrace(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<CliResult> {
  const child = spawn(process.execPath, [MILLRACE, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}
