/** Where a command prints: results to stdout, everything about its work to stderr. */
import pc from 'picocolors';
import type { ErrorText } from '../errors.ts';

/** What of `process.stdout` and `process.stderr` is used. */
export interface TextStream {
  write(text: string | Uint8Array): boolean;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

type Colors = ReturnType<typeof pc.createColors>;

/** Size for streams that are no terminal, and for terminals that do not tell. */
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

export class Output {
  readonly #stdout: TextStream;
  readonly #stderr: TextStream;
  /** Does nothing unless stdout is a terminal and `NO_COLOR` is unset. */
  readonly colors: Colors;
  readonly #errorColors: Colors;

  /** @param env `NO_COLOR`, when set to any text, and `TERM=dumb` switch colours off. */
  constructor(stdout: TextStream, stderr: TextStream, env: NodeJS.ProcessEnv) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    const mayColor = (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
    this.colors = pc.createColors(mayColor && stdout.isTTY === true);
    this.#errorColors = pc.createColors(mayColor && stderr.isTTY === true);
  }

  /** Whether a person looks at stdout. */
  get isTerminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** Whether a person looks at stderr, where progress is shown. */
  get isErrorTerminal(): boolean {
    return this.#stderr.isTTY === true;
  }

  /** Of the terminal behind stdout. */
  get columns(): number {
    return this.#stdout.columns ?? DEFAULT_COLUMNS;
  }

  /** Lines of the terminal behind stdout. */
  get rows(): number {
    return this.#stdout.rows ?? DEFAULT_ROWS;
  }

  /** A line of the result, to stdout. */
  line(text: string = ''): void {
    this.#stdout.write(`${text}\n`);
  }

  /** Text of the result as it is, to stdout. */
  raw(text: string): void {
    this.#stdout.write(text);
  }

  /** Content as it is, to stdout. */
  bytes(content: Uint8Array): void {
    this.#stdout.write(content);
  }

  /** What a person may want to know about the work, to stderr. */
  note(text: string): void {
    this.#stderr.write(`${text}\n`);
  }

  /** What is going on, on one line that the next one replaces; empty: nothing. Only on a terminal. */
  status(text: string): void {
    if (this.isErrorTerminal) this.#stderr.write(`\r\u001b[K${text}`);
  }

  /** A failure, to stderr; bold red on a terminal (replication §9.2). */
  error({ message, hint }: ErrorText): void {
    this.#stderr.write(`${this.#errorColors.bold(this.#errorColors.red(message))}\n`);
    if (hint !== undefined) this.#stderr.write(`${hint}\n`);
  }
}
