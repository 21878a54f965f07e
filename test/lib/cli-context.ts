import { AliasFile } from '../../src/cli/config/alias-file.ts';
import { CliContext } from '../../src/cli/context.ts';
import { Output } from '../../src/cli/output/output.ts';

/** For looking at the definitions of commands: it prints nothing, and its alias file does not exist. */
export function testContext(): CliContext {
  const stream = { write: (): boolean => true };
  return new CliContext({
    env: {},
    aliases: new AliasFile({ MILLRACE_CONFIG: '/nonexistent/config.toml' }),
    output: new Output(stream, stream, {}),
    nowUs: () => 0n,
    signal: new AbortController().signal,
    confirm: () => Promise.resolve(false),
  });
}
