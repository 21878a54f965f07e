/** Calls between the benchmark and its child processes, over Node's own message channel. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Scope } from './scope.ts';

interface CallMessage {
  readonly id: number;
  readonly call: string;
  readonly argument: unknown;
}

interface AnswerMessage {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

type Handlers = Readonly<Record<string, (argument: unknown) => unknown>>;

/** Modules of `bench/processes`. */
export type ProcessName =
  | 'bare-handler'
  | 'hanging-target'
  | 'load-driver'
  | 'long-link'
  | 'null-sink'
  | 'open-loop-writer'
  | 'rocks-loop'
  | 'scan-reader'
  | 'stamping-proxy';

const STOP_TIMEOUT_MS = 5_000;

/** The child's side: answers calls until the parent goes away, then ends. */
export function serveCalls(handlers: Handlers): void {
  process.on('message', (message: CallMessage) => {
    void answer(handlers, message);
  });
  process.on('disconnect', () => process.exit(0));
}

async function answer(handlers: Handlers, { id, call, argument }: CallMessage): Promise<void> {
  let reply: AnswerMessage;
  try {
    const handler = handlers[call];
    if (handler === undefined) throw new Error(`no call '${call}'`);
    reply = { id, value: await handler(argument) };
  } catch (error) {
    reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  process.send?.(reply);
}

/** The parent's side of one child process. */
export class ChildCalls {
  readonly pid: number;
  readonly #name: ProcessName;
  readonly #child: ChildProcess;
  readonly #waiting: Map<number, (answer: AnswerMessage) => void> = new Map();
  #nextId = 0;

  private constructor(name: ProcessName, child: ChildProcess, pid: number) {
    this.#name = name;
    this.#child = child;
    this.pid = pid;
    child.on('message', (message: AnswerMessage) => {
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    });
    child.on('exit', (code, signal) => {
      for (const [id, resolve] of this.#waiting) {
        resolve({ id, error: `it ended with ${signal ?? `exit code ${code}`}` });
      }
      this.#waiting.clear();
    });
  }

  /** Starts a process of `bench/processes`; it ends with the scope. */
  static start(scope: Scope, name: ProcessName): ChildCalls {
    const script = fileURLToPath(new URL(`../processes/${name}.js`, import.meta.url));
    const child = fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    if (child.pid === undefined) throw new Error(`${name} did not start`);
    const calls = new ChildCalls(name, child, child.pid);
    scope.defer(
      () => calls.stop(),
      () => child.kill('SIGKILL'),
    );
    return calls;
  }

  /**
   * @returns what the child's handler returned; the caller knows its type, both sides are built together
   * @throws Error with the child's stack when the handler threw or the process ended
   */
  async call<Result>(call: string, argument?: unknown): Promise<Result> {
    const id = this.#nextId++;
    const message: CallMessage = { id, call, argument };
    const answered = new Promise<AnswerMessage>((resolve) => {
      this.#waiting.set(id, resolve);
    });
    if (!this.#child.connected) throw new Error(`${this.#name} is gone`);
    this.#child.send(message);
    const { value, error } = await answered;
    if (error !== undefined) throw new Error(`${this.#name}: ${call}: ${error}`);
    return value as Result;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit', { signal: AbortSignal.timeout(STOP_TIMEOUT_MS) });
    if (this.#child.connected) this.#child.disconnect();
    try {
      await exited;
    } catch {
      this.#child.kill('SIGKILL');
    }
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}
