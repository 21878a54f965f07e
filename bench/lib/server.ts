/** A Millrace server as a child process, configured by its environment as a user would. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AdminClient } from './admin-client.ts';
import { freePort } from './free-port.ts';
import type { LoadTarget } from './load-job.ts';
import type { Scope } from './scope.ts';
import { until } from './wait.ts';

export type Durability = 'os' | 'fsync';

export interface ServerOptions {
  readonly durability: Durability;
  /** Flags of Node.js, such as `--cpu-prof`. */
  readonly nodeFlags?: readonly string[];
  /** What to run instead of the build: another server that is set by `RS_*` variables. */
  readonly command?: readonly [string, ...string[]];
  /** More variables. */
  readonly env?: Readonly<Record<string, string>>;
}

const SERVER_SCRIPT: string = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 5;
/** Longer than the server's own bound for an orderly stop. */
const STOP_TIMEOUT_MS = 30_000;
const LOG_TAIL_BYTES = 2_000;

export class Server {
  readonly folder: string;
  readonly port: number;
  readonly url: string;
  readonly token: string = randomBytes(16).toString('hex');
  readonly admin: AdminClient;
  readonly #options: ServerOptions;
  #child: ChildProcess | undefined;

  private constructor(folder: string, port: number, options: ServerOptions) {
    this.folder = folder;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.admin = new AdminClient(this.url, this.token);
    this.#options = options;
  }

  /** Starts a server with an empty store in a folder of its own and waits for `/ready`; both go with the scope. */
  static async start(scope: Scope, options: ServerOptions): Promise<Server> {
    const server = new Server(scope.folder(), await freePort(), options);
    scope.defer(
      () => server.#dispose(),
      () => server.#child?.kill('SIGKILL'),
    );
    await server.spawn();
    return server;
  }

  /** Like `start`, with an empty bucket. */
  static async withBucket(scope: Scope, bucket: string, options: ServerOptions): Promise<Server> {
    const server = await Server.start(scope, options);
    await server.admin.createBucket(bucket);
    return server;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('the server is not running');
    return pid;
  }

  target(bucket: string): LoadTarget {
    return { port: this.port, token: this.token, bucket };
  }

  /** Starts the process, again after `stop` or `kill`. Returns ms from the spawn to the first 200 of `/ready`. */
  async spawn(): Promise<number> {
    const logFd = openSync(this.#logFile, 'a');
    const { command, nodeFlags = [] } = this.#options;
    const [program, ...args] = command ?? [process.execPath, ...nodeFlags, SERVER_SCRIPT];
    const child = spawn(program, args, {
      stdio: ['ignore', logFd, logFd],
      env: this.#environment(),
    });
    closeSync(logFd);
    this.#child = child;
    const ready = async (): Promise<boolean> => {
      if (child.exitCode !== null) throw new Error(`The server did not start:\n${this.logTail()}`);
      return this.admin.isReady();
    };
    return until('The start of the server', ready, READY_TIMEOUT_MS, READY_POLL_MS);
  }

  /** SIGTERM, and waits for the orderly end. @throws Error when it takes longer than 30 s */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  logTail(): string {
    if (!existsSync(this.#logFile)) return '';
    return readFileSync(this.#logFile, 'utf8').slice(-LOG_TAIL_BYTES);
  }

  get dataFolder(): string {
    return join(this.folder, 'data');
  }

  get #logFile(): string {
    return join(this.folder, 'server.log');
  }

  /** Variables of the caller's shell stay away from the server, except our own tuning knobs. */
  #environment(): NodeJS.ProcessEnv {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('RS_'));
    return {
      ...Object.fromEntries(inherited),
      MILLRACE_DURABILITY: this.#options.durability,
      MILLRACE_LOG_FORMAT: 'json',
      ...this.#options.env,
      RS_LOG_LEVEL: 'WARN',
      RS_HOST: '127.0.0.1',
      RS_PORT: String(this.port),
      RS_DATA_PATH: this.dataFolder,
      RS_API_TOKEN: this.token,
    };
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit', { signal: AbortSignal.timeout(STOP_TIMEOUT_MS) });
    child.kill(signal);
    await exited;
  }

  /** The store goes with the folder, so there is nothing to stop in order. */
  async #dispose(): Promise<void> {
    await this.kill();
    await this.admin.close();
  }
}
