/**
 * Writes at a fixed rate whatever the answers do: a record is sent at its time, or as soon as a connection is free, and
 * its latency counts from its time. A slow moment of the server therefore shows in every record that fell into it.
 */
import { connect, type Socket } from 'node:net';
import { SignalReader } from '../../src/signal/signal-reader.ts';
import { loadSignal } from '../../src/signal/signal.ts';
import { serveCalls } from '../lib/child-calls.ts';
import { monotonicMs, type OpenLoopJob, type OpenLoopResult } from '../lib/open-loop.ts';
import { EntryClock, entryName, RequestWriter } from '../lib/request-writer.ts';
import { ResponseReader } from '../lib/response-reader.ts';

const READ_BUFFER_BYTES = 16 * 1024;
const TICK_MS = 1;

class OpenLoop {
  readonly #job: OpenLoopJob;
  readonly #keys: string[] = [];
  readonly #scheduledMs: number[] = [];
  readonly #answeredMs: number[] = [];
  readonly #idle: WriterConnection[] = [];
  readonly #done: Promise<OpenLoopResult>;
  #resolve: (result: OpenLoopResult) => void = () => {};
  #reject: (error: Error) => void = () => {};
  #startMs = 0;
  #sent = 0;
  #answered = 0;

  constructor(job: OpenLoopJob) {
    this.#job = job;
    this.#done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  async run(connections: readonly WriterConnection[]): Promise<OpenLoopResult> {
    await Promise.all(connections.map((connection) => connection.connected));
    this.#idle.push(...connections);
    this.#startMs = monotonicMs();
    const timer = setInterval(() => this.#sendDue(), TICK_MS);
    try {
      return await this.#done;
    } finally {
      clearInterval(timer);
      for (const connection of connections) connection.close();
    }
  }

  onAnswer(connection: WriterConnection, index: number, status: number): void {
    if (status !== 200) {
      this.#reject(new Error(`a record was answered with ${status}`));
      return;
    }
    this.#answeredMs[index] = monotonicMs();
    this.#answered++;
    this.#idle.push(connection);
    if (this.#answered === this.#job.records) {
      this.#resolve({
        keys: this.#keys,
        scheduledMs: this.#scheduledMs,
        answeredMs: this.#answeredMs,
      });
    } else {
      this.#sendDue();
    }
  }

  onError(error: Error): void {
    this.#reject(error);
  }

  #sendDue(): void {
    const { records, recordsPerSecond } = this.#job;
    const nowMs = monotonicMs();
    while (this.#sent < records) {
      const dueMs = this.#startMs + (1000 * this.#sent) / recordsPerSecond;
      if (dueMs > nowMs) return;
      // The one that has been idle longest, so that all connections and entries are used.
      const connection = this.#idle.shift();
      if (connection === undefined) return;
      this.#scheduledMs.push(dueMs);
      this.#keys.push(connection.send(this.#sent));
      this.#sent++;
    }
  }
}

class WriterConnection {
  readonly connected: Promise<void>;
  readonly #socket: Socket;
  readonly #writer: RequestWriter;
  readonly #entry: string;
  readonly #answers: ResponseReader = new ResponseReader();
  readonly #readBuffer: Buffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);
  #index = -1;

  constructor(port: number, entry: string, writer: RequestWriter, loop: OpenLoop) {
    this.#entry = entry;
    this.#writer = writer;
    this.#socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: {
        buffer: this.#readBuffer,
        callback: (bytes) => {
          const status = this.#answers.push(this.#readBuffer, bytes);
          if (status !== undefined) loop.onAnswer(this, this.#index, status);
          return true;
        },
      },
    });
    this.#socket.on('error', (error) => loop.onError(error));
    this.connected = new Promise((resolve) => {
      this.#socket.once('connect', () => resolve());
    });
  }

  /** Sends the next record as number `index` of the run. Returns its key. */
  send(index: number): string {
    this.#index = index;
    this.#socket.write(this.#writer.next());
    return `${this.#entry}/${this.#writer.lastTimestampUs}`;
  }

  close(): void {
    this.#socket.destroy();
  }
}

async function run(argument: unknown): Promise<OpenLoopResult> {
  const job = argument as OpenLoopJob;
  const { shape, target } = job;
  const { payloadBytes } = shape;
  const payloads = new SignalReader(loadSignal(), { payloadBytes });
  const startUs = Date.now() * 1000;
  const clocks = Array.from({ length: shape.entries }, () => new EntryClock(startUs));
  const loop = new OpenLoop(job);
  const connections = Array.from({ length: shape.connections }, (_, index) => {
    const clock = clocks[index % shape.entries];
    if (clock === undefined) throw new Error('no clock');
    const entry = entryName(index % shape.entries);
    const writer = new RequestWriter(shape, target, [entry], clock, payloads, index);
    return new WriterConnection(target.port, entry, writer, loop);
  });
  return loop.run(connections);
}

serveCalls({ run });
