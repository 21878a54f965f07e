import { fileURLToPath } from 'node:url';
import { demoCommand } from '../../demo/options.ts';
import { runEntry } from '../child.ts';
import type { CliCommand } from '../command.ts';
import type { CliContext } from '../context.ts';

const ENTRY: string = fileURLToPath(new URL('../../demo/main.js', import.meta.url));

interface DemoArguments {
  readonly signal?: string;
  readonly seconds: number;
  readonly rate: number;
  readonly keep?: boolean;
}

/** `demo`: what `npm run demo` runs, in a process of its own as it kills and starts servers. */
export function addDemoCommand(program: CliCommand, context: CliContext): void {
  const command = demoCommand('demo').copyInheritedSettings(program);
  command.action(async ({ signal, seconds, rate, keep }: DemoArguments) => {
    const args = ['--seconds', String(seconds), '--rate', String(rate)];
    if (signal !== undefined) args.push('--signal', signal);
    if (keep === true) args.push('--keep');
    context.exitCode = await runEntry(ENTRY, args);
  });
  program.addCommand(command);
}
