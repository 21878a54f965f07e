/** The target clients of one thread, shared by tasks that send to the same place with the same token. */
import { parseDestinationUrl } from '../destination-url.ts';
import type { TlsMaterial } from './tls-material.ts';
import { TargetClient, type TargetOptions } from './target-client.ts';

/** Clients not used for this long are closed, at the next use of any. */
const UNUSED_MS = 600_000;

interface Known {
  readonly client: TargetClient;
  usedMs: number;
}

export class Targets {
  #options: TargetOptions;
  /** Of the certificates. */
  #version = 1;
  readonly #nowMs: () => number;
  readonly #clients: Map<string, Known> = new Map();

  constructor(options: TargetOptions, nowMs: () => number) {
    this.#options = options;
    this.#nowMs = nowMs;
  }

  /** Of connections from now on. */
  get options(): TargetOptions {
    return this.#options;
  }

  /** @throws ApiError 422 when `dstHost` is no URL. */
  clientFor(dstHost: string, token: string | null): TargetClient {
    const url = parseDestinationUrl(dstHost);
    const key = `${this.#version} ${url.origin}${url.pathname} ${token ?? ''}`;
    const nowMs = this.#nowMs();
    let known = this.#clients.get(key);
    if (known === undefined) {
      this.#closeUnused(nowMs);
      known = { client: new TargetClient(url, token, this.#options), usedMs: nowMs };
      this.#clients.set(key, known);
    }
    known.usedMs = nowMs;
    return known.client;
  }

  /** For connections from now on; those that are open go on with the former certificates until they are closed. */
  useCertificates(material: TlsMaterial): void {
    this.#options = { ...this.#options, ...material };
    this.#version++;
  }

  async close(): Promise<void> {
    const clients = [...this.#clients.values()];
    this.#clients.clear();
    await Promise.all(clients.map(({ client }) => client.close()));
  }

  #closeUnused(nowMs: number): void {
    for (const [key, { client, usedMs }] of this.#clients) {
      if (nowMs - usedMs < UNUSED_MS) continue;
      this.#clients.delete(key);
      void client.close();
    }
  }
}
