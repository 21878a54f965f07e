import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UnavailableError } from '../errors/errors.ts';
import { InstanceClient } from './instance-client.ts';
import { abortable, pause } from './pause.ts';

export interface InstanceOptions {
  /** `RS_INSTANCE_NAME`; also names the folder and the log. */
  readonly name: string;
  /** Script of the server. */
  readonly serverPath: string;
  /** Folder in which data and log get their places. */
  readonly parentFolder: string;
  readonly port: number;
  readonly token: string;
  /** Called when the process ends and nobody asked for it. */
  readonly onUnexpectedExit: (error: Error) => void;
}

const HOST = '127.0.0.1';
const READY_TIMEOUT_MS = 20_000;
const READY_POLL_MS = 25;
/** Longer than the server's own bound for an orderly stop. */
const STOP_TIMEOUT_MS = 12_000;
const LOG_TAIL_LINES = 15;

/** One server process with its own data folder, on loopback. It can be killed and started again on the same data. */
export class Instance {
  readonly name: string;
  readonly url: string;
  readonly token: string;
  readonly dataFolder: string;
  readonly logFile: string;
  readonly client: InstanceClient;
  readonly #options: InstanceOptions;
  #child: ChildProcess | undefined;
  #exitIsExpected = false;

  constructor(options: InstanceOptions) {
    const { name, parentFolder, port, token } = options;
    this.#options = options;
    this.name = name;
    this.url = `http://${HOST}:${port}`;
    this.token = token;
    this.dataFolder = join(parentFolder, name);
    this.logFile = join(parentFolder, `${name}.log`);
    this.client = new InstanceClient(this.url, token);
  }

  /** Of the running process. */
  get pid(): number | undefined {
    return this.#isRunning() ? this.#child?.pid : undefined;
  }

  /**
   * Starts the process and waits until `/ready` answers 200.
   *
   * @throws UnavailableError when that takes longer than 20 s or the process ends
   */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    mkdirSync(this.dataFolder, { recursive: true });
    const logFd = openSync(this.logFile, 'a');
    try {
      this.#exitIsExpected = false;
      // Own process group: Ctrl-C goes to the demo alone, which then ends its children in order.
      this.#child = spawn(process.execPath, [this.#options.serverPath], {
        detached: true,
        stdio: ['ignore', logFd, logFd],
        env: this.#environment(),
      });
    } finally {
      closeSync(logFd);
    }
    this.#watch(this.#child);
    await this.#untilReady(signal);
  }

  /** Ends the process with SIGKILL and waits until it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL', STOP_TIMEOUT_MS);
  }

  /** Ends the process in order. Returns false when it had to be killed after 12 s. */
  async stop(): Promise<boolean> {
    if (await this.#end('SIGTERM', STOP_TIMEOUT_MS)) return true;
    await this.kill();
    return false;
  }

  /** SIGKILL without waiting, for the last moment of the demo's own process. */
  killNow(): void {
    if (!this.#isRunning()) return;
    this.#exitIsExpected = true;
    this.#child?.kill('SIGKILL');
  }

  /** Lets the process run on after the demo's end. */
  release(): void {
    this.#child?.unref();
  }

  /** The last lines of its log. */
  logTail(): string {
    if (!existsSync(this.logFile)) return '';
    return readFileSync(this.logFile, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(-LOG_TAIL_LINES)
      .join('\n');
  }

  /** Variables of the demo's shell stay away from the instances, except our own tuning knobs. */
  #environment(): NodeJS.ProcessEnv {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('RS_'));
    return {
      MILLRACE_DURABILITY: 'fsync',
      ...Object.fromEntries(inherited),
      RS_HOST: HOST,
      RS_PORT: String(this.#options.port),
      RS_DATA_PATH: this.dataFolder,
      RS_API_TOKEN: this.token,
      RS_INSTANCE_NAME: this.name,
    };
  }

  #watch(child: ChildProcess): void {
    const report = (what: string): void => {
      if (this.#exitIsExpected || child !== this.#child) return;
      const hint = `Last lines of its log:\n${this.logTail()}`;
      this.#options.onUnexpectedExit(new UnavailableError(`The ${this.name} ${what}`, { hint }));
    };
    child.on('error', (error) => {
      report(`could not be started: ${error.message}`);
    });
    child.on('exit', (code, killSignal) => {
      report(`ended by itself (${killSignal ?? `exit code ${code}`})`);
    });
  }

  async #untilReady(signal: AbortSignal): Promise<void> {
    const deadlineMs = performance.now() + READY_TIMEOUT_MS;
    while (!(await abortable(this.client.isReady(), signal))) {
      if (performance.now() > deadlineMs) {
        const seconds = READY_TIMEOUT_MS / 1000;
        throw new UnavailableError(`The ${this.name} was not ready within ${seconds} s`, {
          hint: `Last lines of its log:\n${this.logTail()}`,
        });
      }
      await pause(READY_POLL_MS, signal);
    }
  }

  #isRunning(): boolean {
    const child = this.#child;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  async #end(killSignal: NodeJS.Signals, timeoutMs: number): Promise<boolean> {
    const child = this.#child;
    this.#exitIsExpected = true;
    if (child === undefined || !this.#isRunning()) return true;
    const exited = once(child, 'exit', { signal: AbortSignal.timeout(timeoutMs) });
    child.kill(killSignal);
    try {
      await exited;
      return true;
    } catch {
      return false;
    }
  }
}
