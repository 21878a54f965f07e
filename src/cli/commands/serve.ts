import { describeConfig } from '../../config/help.ts';
import type { CliCommand } from '../command.ts';
import { leaveSignalsToOthers } from '../interrupt.ts';

/** `serve`: what `npm start` runs, in this process. */
export function addServeCommand(program: CliCommand): void {
  program
    .command('serve')
    .description('Starts a server. Everything about it is set by environment variables.')
    .example('millrace serve', 'one instance on http://127.0.0.1:8383, data in ./data')
    .example('RS_PORT=9000 RS_DATA_PATH=/var/lib/millrace millrace serve', 'elsewhere')
    .addHelpText('after', () => `\n${describeConfig().trimEnd()}`)
    .action(async () => {
      leaveSignalsToOthers();
      // Native modules: loaded by nobody else.
      const { startServer } = await import('../../app/serve.ts');
      await startServer();
    });
}
