/**
 * A long link that loses packets, between a source and its target: every byte arrives half a round trip later, and a
 * segment that is lost holds up what comes behind it on its connection for one more round trip, as a fast retransmission
 * does. For machines whose kernel has no netem.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveCalls } from '../lib/child-calls.ts';

const SEGMENT_BYTES = 1448;
/** What may be under way in one direction of a connection: the send window of a default Linux. */
const WINDOW_BYTES = 4 * 1024 * 1024;

export interface LongLinkOptions {
  readonly targetPort: number;
  readonly roundTripMs: number;
  /** Share of segments, 0 to 1. */
  readonly loss: number;
  /** Of the pseudo-random losses. */
  readonly seed: number;
}

class OneWay {
  readonly #options: LongLinkOptions;
  readonly #random: () => number;
  /** Resolves when everything that was sent so far has arrived: bytes never overtake each other. */
  #arrived: Promise<void> = Promise.resolve();
  #underwayBytes = 0;

  constructor(options: LongLinkOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  carry(from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => {
      this.#underwayBytes += chunk.length;
      if (this.#underwayBytes > WINDOW_BYTES) from.pause();
      void this.#arrive(chunk.length).then(() => {
        this.#underwayBytes -= chunk.length;
        if (this.#underwayBytes <= WINDOW_BYTES) from.resume();
        if (!to.destroyed) to.write(chunk);
      });
    });
    from.on('end', () => void this.#arrive(0).then(() => to.end()));
    from.on('error', () => to.destroy());
    from.on('close', () => {
      if (from.errored !== null) to.destroy();
    });
  }

  #arrive(bytes: number): Promise<void> {
    const { roundTripMs, loss } = this.#options;
    const segments = Math.ceil(bytes / SEGMENT_BYTES);
    const isLost = this.#random() > (1 - loss) ** segments;
    const atMs = performance.now() + roundTripMs / 2 + (isLost ? roundTripMs : 0);
    this.#arrived = this.#arrived.then(async () => {
      const leftMs = atMs - performance.now();
      if (leftMs > 0) await sleep(leftMs);
    });
    return this.#arrived;
  }
}

/** xorshift32: the losses are the same in every run. */
function newRandom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

async function listen(argument: unknown): Promise<number> {
  const options = argument as LongLinkOptions;
  const random = newRandom(options.seed);
  const server = createServer({ noDelay: true }, (client) => {
    const target = connect({ port: options.targetPort, host: '127.0.0.1', noDelay: true });
    new OneWay(options, random).carry(client, target);
    new OneWay(options, random).carry(target, client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`address ${address}`);
  return address.port;
}

serveCalls({ listen });
