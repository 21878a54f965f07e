import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';

/**
 * Asks a question whose answer is yes or no; anything but `y` or `yes` is no, and so is input that is no terminal.
 * @param signal gives the question up; the answer rejects with an AbortError then.
 */
export function confirmOn(
  input: Readable & { readonly isTTY?: boolean },
  output: Writable,
  signal: AbortSignal,
): (question: string) => Promise<boolean> {
  return async (question) => {
    if (input.isTTY !== true) return false;
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
