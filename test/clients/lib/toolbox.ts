/** Installing published clients and running their programs. */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** 0 (no limit) unless given; after it the command is killed and its code is null. */
  readonly timeoutMs?: number;
}

/**
 * Folder outside the checkout for what is slow to install: `$XDG_CACHE_HOME/millrace-clients`, else
 * `~/.cache/millrace-clients`. Safe to remove at any time.
 */
export async function cacheDir(name: string): Promise<string> {
  const base = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const path = join(base, 'millrace-clients', name);
  await mkdir(path, { recursive: true });
  return path;
}

/** Runs a command to its end and collects what it printed. @throws Error when it cannot be started. */
export function run(
  command: string,
  args: readonly string[],
  { env = {}, cwd, timeoutMs = 0 }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      ...(cwd === undefined ? {} : { cwd }),
    });
    const printed = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => {
      printed.stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      printed.stderr += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code, ...printed });
    });
  });
}

/** Like `run`. @throws Error with everything printed unless the command ended with 0. */
export async function runOk(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const result = await run(command, args, options);
  if (result.code === 0) return result;
  const line = [command, ...args].join(' ');
  throw new Error(`${line}: ended with ${result.code}\n${result.stdout}\n${result.stderr}`);
}
