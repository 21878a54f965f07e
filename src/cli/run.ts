/** One run of the command line: parse, do, and say how it ended. */
import { CommanderError } from 'commander';
import { COMPLETE_COMMAND } from './completion-scripts.ts';
import type { CliContext } from './context.ts';
import { describeError, EXIT_OK, EXIT_USAGE, exitCodeOf, InterruptedError } from './errors.ts';
import { createProgram } from './program.ts';

/** Runs the command that `args` say, prints what went wrong, and returns the exit code. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  if (args[0] === COMPLETE_COMMAND) return complete(args.slice(1), context);
  try {
    const program = await createProgram(context, args);
    await program.parseAsync([...args], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return commanderExitCode(error);
    // Requests that were in flight fail in their own ways; what counts is why they were ended.
    const cause: unknown = context.signal.aborted ? context.signal.reason : error;
    if (!(cause instanceof InterruptedError)) context.output.error(describeError(cause));
    return exitCodeOf(cause);
  }
}

async function complete(words: readonly string[], context: CliContext): Promise<number> {
  const [{ completions }, { knownNames }, program] = await Promise.all([
    import('./completion.ts'),
    import('./known-names.ts'),
    createProgram(context, words.slice(0, -1)),
  ]);
  const found = await completions(program, words, knownNames(context));
  for (const word of found) context.output.line(word);
  return EXIT_OK;
}

/** Help that was asked for is a success; help because nothing else was to do is not (replication §9.2). */
function commanderExitCode({ exitCode }: CommanderError): number {
  return exitCode === 0 ? EXIT_OK : EXIT_USAGE;
}
