/** Sends requests in every way a socket allows. */
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { makeRequest, mutate } from './grammar.ts';
import type { Random } from './random.ts';

/** How long an attacker waits for an answer before it tears the connection. */
const PATIENCE_MS = 120;

export interface AttackFigures {
  connections: number;
  requests: number;
  /** Status lines seen, by code. */
  readonly answers: Map<string, number>;
}

/** Waits for the event, the end of the connection, or until patience is over. */
function sign(socket: net.Socket, event: 'connect' | 'data'): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      for (const name of [event, 'close']) socket.off(name, done);
      resolve();
    };
    const timer = setTimeout(done, PATIENCE_MS);
    for (const name of [event, 'close']) socket.on(name, done);
    if (socket.destroyed) done();
  });
}

export class Attacker {
  readonly figures: AttackFigures = { connections: 0, requests: 0, answers: new Map() };
  readonly #port: number;
  readonly #token: string;
  readonly #random: Random;

  constructor(port: number, token: string, random: Random) {
    this.#port = port;
    this.#token = token;
    this.#random = random;
  }

  /** Attacks, one connection after the other. */
  async run(untilMs: number): Promise<void> {
    while (Date.now() < untilMs) await this.#connection();
  }

  async #connection(): Promise<void> {
    const socket = net.connect(this.#port, '127.0.0.1');
    // Resets are what half of this asks for; a server that is gone is found by the test itself.
    socket.on('error', () => {});
    socket.on('data', (data) => this.#count(data));
    this.figures.connections++;
    try {
      await sign(socket, 'connect');
      for (let n = 1 + this.#random.below(4); n > 0 && !socket.destroyed; n--) {
        await this.#attack(socket);
      }
    } finally {
      if (this.#random.chance(0.5)) socket.resetAndDestroy();
      else socket.destroy();
    }
  }

  async #attack(socket: net.Socket): Promise<void> {
    const random = this.#random;
    const bytes = Buffer.concat(Array.from({ length: this.#pipelined() }, () => this.#request()));
    switch (random.pick(['whole', 'whole', 'split', 'slow', 'cut', 'silent'])) {
      case 'whole':
        socket.write(bytes);
        break;
      case 'split':
        await this.#sendPieces(socket, bytes, 2 + random.below(6), 1);
        break;
      case 'slow':
        await this.#sendPieces(socket, bytes.subarray(0, 2000), 20, 10);
        break;
      case 'cut':
        socket.write(bytes.subarray(0, random.below(bytes.length)));
        return;
      case 'silent':
        socket.pause();
        socket.write(bytes);
        await delay(random.below(200));
        socket.resume();
        break;
    }
    await sign(socket, 'data');
  }

  #pipelined(): number {
    return this.#random.chance(0.2) ? 2 + this.#random.below(5) : 1;
  }

  #request(): Buffer {
    this.figures.requests++;
    const request = makeRequest(this.#random, this.#token);
    return this.#random.chance(0.6) ? mutate(request, this.#random) : request;
  }

  async #sendPieces(
    socket: net.Socket,
    bytes: Buffer,
    pieces: number,
    pauseMs: number,
  ): Promise<void> {
    const size = Math.max(1, Math.ceil(bytes.length / pieces));
    for (let at = 0; at < bytes.length && !socket.destroyed; at += size) {
      socket.write(bytes.subarray(at, at + size));
      await delay(pauseMs);
    }
  }

  #count(data: Buffer): void {
    const { answers } = this.figures;
    for (const [, code = ''] of data.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3})/g)) {
      answers.set(code, (answers.get(code) ?? 0) + 1);
    }
  }
}
