#!/usr/bin/env node
/** Entry of the executable `millrace`. */
import { AliasFile } from './config/alias-file.ts';
import { CliContext } from './context.ts';
import { EXIT_OK } from './errors.ts';
import { interruptSignal } from './interrupt.ts';
import { Output } from './output/output.ts';
import { confirmOn } from './prompt.ts';
import { runCli } from './run.ts';

// A reader that went away (`| head`) has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT_OK);
  throw error;
});

const output = new Output(process.stdout, process.stderr, process.env);
const signal = interruptSignal();
process.exitCode = await runCli(
  process.argv.slice(2),
  new CliContext({
    env: process.env,
    aliases: new AliasFile(process.env),
    output,
    nowUs: () => BigInt(Date.now()) * 1000n,
    signal,
    confirm: confirmOn(process.stdin, process.stderr, signal),
  }),
);
