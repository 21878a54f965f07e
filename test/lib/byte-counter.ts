/** A relay in front of a target that counts every byte of both directions, as a metered link would. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class ByteCounter {
  bytes = 0;
  /** Connections open at the same time, at most. */
  maxConnections = 0;
  /** Called after each piece. */
  onBytes: () => void = () => undefined;
  readonly #server: Server;
  readonly #sockets: Set<Socket> = new Set();
  #port = 0;

  /** @param targetPort on this machine. */
  constructor(targetPort: number) {
    this.#server = createServer((client) => {
      const target = connect(targetPort, '127.0.0.1');
      this.#pair(client, target);
      this.#pair(target, client);
      this.maxConnections = Math.max(this.maxConnections, this.#sockets.size / 2);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (typeof address === 'object' && address !== null) this.#port = address.port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pair(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (piece) => {
      this.bytes += piece.length;
      to.write(piece);
      this.onBytes();
    });
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    // A connection that is cut is closed; its other half follows.
    from.on('error', () => from.destroy());
  }
}
