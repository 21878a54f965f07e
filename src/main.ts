/** Entry of the server: `npm start`, the container, and what tests start. */
import { startServer } from './app/serve.ts';
import { describeConfig } from './config/help.ts';
import { MILLRACE_VERSION } from './config/version.ts';
import { MillraceError } from './errors/errors.ts';

const EXIT_USAGE = 2;

async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--help') || args.includes('-h')) {
    console.log(describeConfig());
    return;
  }
  if (args.includes('--version') || args.includes('-V')) {
    console.log(MILLRACE_VERSION);
    return;
  }
  if (args.length > 0) {
    console.error(`Unknown argument '${args[0]}'. The server takes --help and --version only;`);
    console.error('everything else is set by environment variables, see --help.');
    process.exitCode = EXIT_USAGE;
    return;
  }
  await startServer();
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  // Before the logger exists: a configuration that cannot work.
  console.error(error instanceof Error ? error.message : String(error));
  if (error instanceof MillraceError && error.hint !== undefined) console.error(error.hint);
  process.exitCode = EXIT_USAGE;
}
