import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import { CliError } from './errors.ts';

/**
 * Asks a question whose answer is yes or no; anything but `y` or `yes` is no.
 * @param signal gives the question up; the answer rejects with an AbortError then.
 * @throws CliError when `input` is no terminal.
 */
export function confirmOn(
  input: Readable & { readonly isTTY?: boolean },
  output: Writable,
  signal: AbortSignal,
): (question: string) => Promise<boolean> {
  return async (question) => {
    if (input.isTTY !== true) {
      throw new CliError('There is no terminal to ask for confirmation on', 'Add --yes.');
    }
    const lines = createInterface({ input, output });
    // On a terminal in raw mode Ctrl-C arrives here and not as a signal.
    lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    try {
      const answer = await lines.question(`${question} [y/N] `, { signal });
      return /^y(es)?$/i.test(answer.trim());
    } finally {
      lines.close();
    }
  };
}
