/** HTTP over a bare socket, for traffic that no client library would send. */
import net from 'node:net';

export interface RawResponse {
  readonly status: number;
  readonly statusLine: string;
  /** Lines in order, names in lower case. */
  readonly headerLines: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  header(name: string): string | undefined;
}

/** Of what came, in the error of a connection that was closed too early. */
const SHOWN_BYTES = 500;

export class RawConnection {
  readonly socket: net.Socket;
  readonly closed: Promise<void>;
  #buffer: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #wake: (() => void) | undefined;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (data: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, data]);
      this.#wake?.();
    });
    socket.on('error', () => {
      // Told by 'close'.
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true;
        this.#wake?.();
        resolve();
      });
    });
  }

  /** Resolves when the bytes are handed to the kernel. */
  send(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.socket.write(data, () => resolve());
    });
  }

  /** The next response; interim 100 responses are returned like others. @param isHead it has no body. */
  async response(isHead = false): Promise<RawResponse> {
    const headEnd = await this.#until(() => {
      const at = this.#buffer.indexOf('\r\n\r\n');
      return at === -1 ? undefined : at;
    });
    const head = this.#buffer.toString('latin1', 0, headEnd).split('\r\n');
    this.#buffer = this.#buffer.subarray(headEnd + 4);
    const headerLines = head.slice(1).map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    const header = (name: string): string | undefined =>
      headerLines.find(([key]) => key === name)?.[1];
    const length = isHead ? 0 : Number(header('content-length') ?? 0);
    await this.#until(() => (this.#buffer.length >= length ? 0 : undefined));
    const body = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    const statusLine = head[0] ?? '';
    return { status: Number(statusLine.split(' ')[1]), statusLine, headerLines, body, header };
  }

  /** Resolves with everything received once the server has closed the connection. */
  async rest(): Promise<Buffer> {
    await this.closed;
    return this.#buffer;
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #until(condition: () => number | undefined): Promise<number> {
    for (;;) {
      const value = condition();
      if (value !== undefined) return value;
      if (this.#isClosed) {
        const start = this.#buffer.toString('latin1', 0, SHOWN_BYTES);
        throw new Error(`closed after ${this.#buffer.length} bytes: ${JSON.stringify(start)}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export function connectRaw(port: number): Promise<RawConnection> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.setNoDelay(true);
      resolve(new RawConnection(socket));
    });
  });
}

export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string | Uint8Array;
}

/** Text of a request head; `content-length` is added for a body unless a length or coding is given. */
export function requestHead({ method, path, headers = {}, body }: RawRequest): string {
  const all: Record<string, string | number> = { host: 'test', ...headers };
  const hasLength = 'content-length' in all || 'transfer-encoding' in all;
  if (body !== undefined && !hasLength) all['content-length'] = Buffer.byteLength(body);
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/** One request over a connection of its own. */
export async function rawRequest(port: number, request: RawRequest): Promise<RawResponse> {
  const connection = await connectRaw(port);
  try {
    const head = Buffer.from(requestHead(request), 'latin1');
    const body = request.body === undefined ? Buffer.alloc(0) : Buffer.from(request.body);
    await connection.send(Buffer.concat([head, body]));
    return await connection.response(request.method === 'HEAD');
  } finally {
    connection.destroy();
  }
}
