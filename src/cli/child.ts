import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs another entry of this build in a process of its own with this one's terminal. The child ends in its own way when
 * it is interrupted.
 * @returns its exit code; 128 and the signal's number when a signal ended it.
 */
export async function runEntry(path: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [path, ...args], { stdio: 'inherit' });
  // Ctrl-C reaches the child by itself, as it has the same terminal.
  const forward = (name: NodeJS.Signals): void => {
    if (name !== 'SIGINT' || process.stdin.isTTY !== true) child.kill(name);
  };
  for (const name of STOP_SIGNALS) process.on(name, forward);
  try {
    await once(child, 'exit');
    if (child.signalCode !== null) return 128 + constants.signals[child.signalCode];
    return child.exitCode ?? 1;
  } finally {
    for (const name of STOP_SIGNALS) process.off(name, forward);
  }
}
