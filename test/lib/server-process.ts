/** A real server in a process of its own, run from the build. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';

export { freePort } from '../../bench/lib/free-port.ts';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
const READY_TIMEOUT_MS = 60_000;

/** Runs the build, in the form of `ServerOptions.command`. */
export function serverCommand(): [string, ...string[]] {
  return [process.execPath, MAIN];
}

export interface ServerOptions {
  readonly dataPath: string;
  readonly port: number;
  readonly token?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What to run instead of the build: another server that is set by `RS_*` variables. */
  readonly command?: readonly [string, ...string[]];
}

export class ServerProcess {
  readonly url: string;
  readonly #options: ServerOptions;
  #child: ChildProcess | undefined;
  #output = '';

  constructor(options: ServerOptions) {
    this.#options = options;
    this.url = `http://127.0.0.1:${options.port}`;
  }

  /** What the process has printed so far, all starts together. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('the server is not running');
    return pid;
  }

  /** Whether it is not running, by a signal or by itself. */
  get hasEnded(): boolean {
    return this.#child?.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Starts without waiting for readiness. */
  spawn(): void {
    const { dataPath, port, token, env, command } = this.#options;
    const [program, ...args] = command ?? serverCommand();
    const child = spawn(program, args, {
      env: {
        PATH: process.env['PATH'] ?? '',
        RS_HOST: '127.0.0.1',
        RS_PORT: String(port),
        RS_DATA_PATH: dataPath,
        RS_LOG_LEVEL: 'WARN',
        MILLRACE_LOG_FORMAT: 'json',
        ...(token === undefined ? {} : { RS_API_TOKEN: token }),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const collect = (chunk: Buffer): void => {
      this.#output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    this.#child = child;
  }

  /** Starts and waits until `/ready` answers 200. @throws Error with the output when it ends before. */
  async start(): Promise<void> {
    this.spawn();
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (Date.now() < deadline) {
      if (this.hasEnded) throw new Error(`the server ended:\n${this.#output}`);
      if (await this.isReady()) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`the server is not ready after ${READY_TIMEOUT_MS} ms:\n${this.#output}`);
  }

  async isReady(): Promise<boolean> {
    try {
      const { statusCode, body } = await request(`${this.url}/api/v1/ready`);
      await body.dump();
      return statusCode === 200;
    } catch {
      // Refused while the process is starting: not ready, which is what was asked.
      return false;
    }
  }

  /** SIGKILL, and waits for the end. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and waits for the end. @returns the exit code. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  /** Waits for the end without a signal. */
  async exited(): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    }
    this.#child = undefined;
    return child.exitCode;
  }
}
