import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadJob } from './load-job.ts';
import type { Meter } from './meter.ts';
import type { RequestSource } from './request-writer.ts';
import { ResponseReader } from './response-reader.ts';

const READ_BUFFER_BYTES = 64 * 1024;

/** Decides who sends how much; shared by all connections of a run. */
interface Budget {
  remaining: number;
}

/** One keep-alive connection with one request in flight. */
class LoadConnection {
  readonly finished: Promise<void>;
  readonly #socket: Socket;
  readonly #writer: RequestSource;
  readonly #meter: Meter;
  readonly #budget: Budget;
  readonly #answers: ResponseReader;
  readonly #readBuffer: Buffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);
  #sentMs = 0;

  constructor({ target, shape }: LoadJob, writer: RequestSource, meter: Meter, budget: Budget) {
    this.#answers = new ResponseReader(shape.read !== 'HEAD');
    this.#writer = writer;
    this.#meter = meter;
    this.#budget = budget;
    this.#socket = connect({
      host: '127.0.0.1',
      port: target.port,
      noDelay: true,
      // One buffer a connection instead of one a read.
      onread: {
        buffer: this.#readBuffer,
        callback: (bytes) => this.#onBytes(bytes),
      },
    });
    this.finished = new Promise((resolve, reject) => {
      this.#socket.on('connect', () => this.#send());
      this.#socket.on('error', reject);
      this.#socket.on('close', () => resolve());
    });
  }

  #send(): void {
    if (this.#budget.remaining <= 0) {
      this.#socket.destroy();
      return;
    }
    this.#budget.remaining--;
    this.#sentMs = performance.now();
    this.#socket.write(this.#writer.next());
  }

  #onBytes(bytes: number): boolean {
    const status = this.#answers.push(this.#readBuffer, bytes);
    if (status === undefined) return true;
    if (status === 200) this.#meter.onSuccess(this.#sentMs);
    else this.#meter.onFailure();
    this.#send();
    return true;
  }
}

/**
 * Closed loop over plain sockets: every connection sends its next request when its answer has come.
 * @throws Error when a connection breaks
 */
export async function runSockets(
  job: LoadJob,
  writers: readonly RequestSource[],
  meter: Meter,
): Promise<void> {
  const { requests, warmupMs, measureMs } = job;
  const budget: Budget = { remaining: requests ?? Number.POSITIVE_INFINITY };
  if (requests !== undefined) meter.open();
  const connections = writers.map((writer) => new LoadConnection(job, writer, meter, budget));
  const finished = Promise.all(connections.map((connection) => connection.finished));
  if (requests === undefined) {
    await Promise.race([finished, sleep(warmupMs)]);
    meter.open();
    await Promise.race([finished, sleep(measureMs)]);
    meter.close();
    budget.remaining = 0;
    await finished;
    return;
  }
  await finished;
  meter.close();
}
