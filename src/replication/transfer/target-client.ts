/** One target as HTTP sees it: connections of their own for each origin, TLS setting and token. Runs in workers. */
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import buildConnector from 'undici/lib/core/connect.js';
import Pool from 'undici/lib/dispatcher/pool.js';
import type { RecordHeaders } from '../scan/record-headers.ts';
import { Exchange, HEADER_FRAME_BYTES, type HttpAnswer, type RequestGroup } from './exchange.ts';
import { NO_PROXY, proxyFor, type ProxySettings } from './proxy.ts';
import { newTunnels, proxyAuthorization, type Tunnels } from './proxy-tunnel.ts';
import { newSecureContext } from './tls-material.ts';
import { withRecordHeaders } from './checked-headers.ts';

/** Answers can carry a header for each of 85 records (replication §5.10). */
const MAX_ANSWER_HEADER_BYTES = 1024 * 1024;

const NO_LIMIT = -1;

/** Idle connections are closed after this time: servers close theirs after 10 s or more. */
const KEEP_ALIVE_MS = 8_000;

export interface TargetOptions {
  readonly connectTimeoutMs: number;
  /** A connection without a byte sent or received for this long during a request is given up. */
  readonly noProgressTimeoutMs: number;
  /** PEM bundle that is trusted besides the usual roots; `null`: none. */
  readonly caPem: string | null;
  /** Certificate of this side with its key, for targets that demand one. */
  readonly certPem?: string | null;
  readonly keyPem?: string | null;
  readonly verifyTls: boolean;
  /** Default: none. */
  readonly proxies?: ProxySettings;
  /** Largest body of an answer that the caller reads, bytes; default: no limit. */
  readonly maxAnswerBodyBytes?: number;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With query, percent-encoded, below the base path of the target. */
  readonly path: string;
  /** Flat list of names and values, besides `authorization`. */
  readonly headers: readonly string[];
  /** Sent as they are: visible ASCII, checked when they were encoded. */
  readonly recordHeaders: RecordHeaders | null;
  readonly body: Buffer | Readable | null;
}

export class TargetClient {
  readonly #pool: Pool;
  readonly #closeTunnels: () => Promise<void>;
  /** Connections that are cut before any answer may lack a client certificate: TLS 1.3 tells that too late. */
  readonly mayLackCertificate: boolean;
  readonly #basePath: string;
  readonly #authorization: readonly string[];
  readonly #hostBytes: number;

  /** @param url of the target, with an optional base path. @param token `null`: no `authorization`. */
  constructor(url: URL, token: string | null, options: TargetOptions) {
    this.#basePath = `${url.pathname.replace(/\/+$/, '')}/api/v1/`;
    this.#hostBytes = url.host.length;
    this.#authorization = token === null ? [] : ['authorization', `Bearer ${token}`];
    const proxy = proxyFor(url, options.proxies ?? NO_PROXY);
    const isForwarded = proxy !== null && url.protocol === 'http:';
    const connect = newConnector(options, isForwarded ? null : proxy);
    this.#closeTunnels = connect.close;
    this.mayLackCertificate = url.protocol === 'https:' && (options.certPem ?? null) === null;
    if (isForwarded) {
      // Many proxies refuse tunnels to other ports than 443, so http goes by whole URLs.
      this.#basePath = url.origin + this.#basePath;
      const authorization = proxyAuthorization(proxy);
      const forProxy = authorization === null ? [] : ['proxy-authorization', authorization];
      this.#authorization = ['host', url.host, ...forProxy, ...this.#authorization];
    }
    this.#pool = new Pool(isForwarded ? proxy.origin : url.origin, {
      connect: connect.connect,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_ANSWER_HEADER_BYTES,
      maxResponseSize: options.maxAnswerBodyBytes ?? NO_LIMIT,
      // Progress is watched at the socket, in both directions (see `newConnector`).
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** Resolves with any answer that has a status. Rejects with what undici, the socket or `group.abort` says. */
  request(request: HttpRequest, group: RequestGroup): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      if (group.abortReason !== undefined) reject(group.abortReason);
      else this.dispatch(request, new Exchange(group, null, resolve, reject), group);
    });
  }

  /**
   * Hands everything about the answer to `handler`; for answers whose bodies matter.
   * @param group is told of the bytes of the request, except for bodies that are streams; who needs no count gives none.
   */
  dispatch(request: HttpRequest, handler: Dispatcher.DispatchHandler, group?: RequestGroup): void {
    const { method, path, body, recordHeaders } = request;
    const headers = this.#authorization.concat(request.headers);
    if (group !== undefined) {
      group.wireBytes += requestBytes(request, headers) + this.#basePath.length + this.#hostBytes;
    }
    const options = { method, path: this.#basePath + path, headers, body };
    withRecordHeaders(recordHeaders, () => this.#pool.dispatch(options, handler));
  }

  /** Closes idle connections now and busy ones after their request. */
  async close(): Promise<void> {
    await this.#pool.close();
    await this.#closeTunnels();
  }
}

/** For `buildConnector`. */
function tlsOptions(options: TargetOptions): buildConnector.BuildOptions {
  const { caPem, certPem = null, keyPem = null, verifyTls, connectTimeoutMs } = options;
  const secureContext = newSecureContext({ caPem, certPem, keyPem });
  return {
    timeout: connectTimeoutMs,
    rejectUnauthorized: verifyTls,
    ...(secureContext === undefined ? {} : { secureContext }),
  };
}

/**
 * Connections watch progress by themselves: Node's socket timeout counts bytes that went out of a long write as
 * activity, which timers of an HTTP client do not.
 */
function newConnector(options: TargetOptions, proxy: URL | null): Tunnels {
  const { noProgressTimeoutMs, connectTimeoutMs } = options;
  const direct = buildConnector(tlsOptions(options));
  const { connect, close } =
    proxy === null
      ? { connect: direct, close: () => Promise.resolve() }
      : newTunnels(proxy, connectTimeoutMs, direct);
  const watched: buildConnector.connector = (target, callback) => {
    connect(target, (...result) => {
      const [error, socket] = result;
      if (error === null) {
        socket.setTimeout(noProgressTimeoutMs, () => {
          const timeout = new Error(`No progress for ${noProgressTimeoutMs} ms`);
          timeout.name = 'TimeoutError';
          socket.destroy(timeout);
        });
      }
      callback(...result);
    });
  };
  return { connect: watched, close };
}

/** The request line without what is below, `host`, `connection` and the empty line. */
const REQUEST_FRAME_BYTES = 60;

function requestBytes(request: HttpRequest, headers: readonly string[]): number {
  const { method, path, body, recordHeaders } = request;
  let bytes = REQUEST_FRAME_BYTES + method.length + path.length;
  for (const text of headers) bytes += text.length;
  bytes += (headers.length / 2) * HEADER_FRAME_BYTES;
  if (recordHeaders !== null) {
    const { headerName, headerValue } = recordHeaders;
    bytes += headerName.length + headerValue.length + HEADER_FRAME_BYTES;
  }
  return Buffer.isBuffer(body) ? bytes + body.length : bytes;
}
