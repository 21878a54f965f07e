/** A proxy before an instance that spoils answers as it is told. Real HTTP on loopback. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, type Dispatcher, request } from 'undici';

/** What becomes of one answer: `cut` sends its head and half of its body, and breaks the connection. */
export type Spoil = 'cut' | { readonly status: number; readonly text: string } | null;

export interface Passing {
  readonly method: string;
  readonly path: string;
  /** Of the records in the answer. */
  readonly timestamps: readonly bigint[];
}

export class SpoilingProxy {
  spoil: (passing: Passing) => Spoil = () => null;
  /** Answers wait for it before they are passed on. */
  gate: (passing: Passing) => Promise<void> = async () => undefined;
  /** Headers that answers carry instead of their own. */
  rewrite: Readonly<Record<string, string>> = {};
  readonly #target: string;
  readonly #agent = new Agent({ maxHeaderSize: 1 << 20 });
  #server: Server | undefined;
  #port = 0;
  requests = 0;

  constructor(target: string) {
    this.#target = target;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const server = createServer({ maxHeaderSize: 1 << 20 }, (req, res) => {
      this.#pass(req, res).catch(() => res.destroy());
    });
    server.maxHeadersCount = 2000;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise<void>((resolve) => this.#server?.close(() => resolve()));
    await this.#agent.destroy();
  }

  async #pass(req: IncomingMessage, res: ServerResponse): Promise<void> {
    this.requests++;
    const parts: Buffer[] = [];
    for await (const part of req) parts.push(part as Buffer);
    const { host: _, connection: __, ...headers } = req.headers;
    const path = req.url ?? '/';
    const answer = await request(`${this.#target}${path}`, {
      method: (req.method ?? 'GET') as Dispatcher.HttpMethod,
      headers,
      body: parts.length === 0 ? null : Buffer.concat(parts),
      dispatcher: this.#agent,
    });
    const body = Buffer.from(await answer.body.arrayBuffer());
    const timestamps = Object.keys(answer.headers)
      .filter((name) => name.startsWith('x-reduct-time-'))
      .map((name) => BigInt(name.slice('x-reduct-time-'.length)));
    const passing = { method: req.method ?? '', path, timestamps };
    await this.gate(passing);
    const spoil = this.spoil(passing);
    if (spoil === null) {
      res.writeHead(answer.statusCode, { ...answer.headers, ...this.rewrite }).end(body);
    } else if (spoil === 'cut') {
      res.writeHead(answer.statusCode, answer.headers);
      res.write(body.subarray(0, body.length / 2), () => req.socket.destroy());
    } else {
      res.writeHead(spoil.status, { 'x-reduct-error': spoil.text }).end();
    }
  }
}
