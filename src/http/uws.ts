/**
 * The only module that knows uWebSockets.js (3.0.6 of the re-published package). The types are the part that is used.
 *
 * Rules of the library that callers keep: a response is gone after `onAborted` and after its end; bytes given to
 * `onData` are valid during the call only; everything that answers outside the request handler does so inside `cork`.
 */
import { NativeModuleError } from '../errors/errors.ts';
import { loadUwsBinary } from './uws-binary.ts';

export interface UwsRequest {
  /** Lower case. */
  getMethod(): string;
  /** Path as it was sent, percent-encoded, without the query. */
  getUrl(): string;
  /** Undefined when the URL has no `?`. */
  getQuery(): string | undefined;
  /** Empty when absent. */
  getHeader(lowerCaseName: string): string;
  /** Every header line in order; names in lower case. */
  forEach(visit: (name: string, value: string) => void): void;
}

export interface UwsResponse {
  /** 4 or 16 bytes in network order; empty when the connection is gone. */
  getRemoteAddress(): ArrayBuffer;
  pause(): void;
  resume(): void;
  writeStatus(status: string): UwsResponse;
  writeHeader(name: string | ArrayBuffer, value: string | ArrayBuffer): UwsResponse;
  end(body?: string | Uint8Array, closeConnection?: boolean): UwsResponse;
  /**
   * Ends without a body. With a length the library writes `content-length` and does not reuse the connection
   * (measured; an explicit `undefined` is a length, too, and a wild one), so a HEAD answer on a connection that stays
   * writes `content-length` as an ordinary header and calls this without arguments.
   */
  endWithoutBody(): UwsResponse;
  endWithoutBody(reportedContentLength: number, closeConnection: true): UwsResponse;
  /** @returns [everything fits, response is complete]. */
  tryEnd(chunk: Uint8Array, totalBytes: number): [boolean, boolean];
  close(): UwsResponse;
  getWriteOffset(): number;
  onWritable(handler: (offset: number) => boolean): UwsResponse;
  onAborted(handler: () => void): UwsResponse;
  /** The first call comes before control returns to the event loop, perhaps with no bytes. */
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): UwsResponse;
  cork(write: () => void): UwsResponse;
}

/** Opaque. */
export type UwsListenSocket = object;

export interface UwsApp {
  /** Told of each connection that begins (+1) and ends (-1; its address is gone by then). */
  filter(handler: (res: UwsResponse, change: number) => void): UwsApp;
  any(pattern: string, handler: (res: UwsResponse, req: UwsRequest) => void): UwsApp;
  listen(
    host: string,
    port: number,
    options: number,
    callback: (socket: UwsListenSocket | false) => void,
  ): UwsApp;
  /** Closes the listener and every connection. */
  close(): UwsApp;
}

export interface UwsModule {
  App(): UwsApp;
  /** PEM files. Throws when one of them cannot be used, without saying why. */
  SSLApp(options: { readonly cert_file_name: string; readonly key_file_name: string }): UwsApp;
  us_listen_socket_close(socket: UwsListenSocket): void;
  us_socket_local_port(socket: UwsListenSocket): number;
}

/** Listen option: no other socket may share the port. */
export const LISTEN_EXCLUSIVE = 1;
/** Listen option: others may that say so too; with a port given, for 0 it is exclusive all the same (measured). */
export const LISTEN_SHARED = 0;

/** Largest request head in bytes; more is answered 431 by the library. Read when the library loads. */
export const MAX_HEADERS_BYTES: number = 1024 * 1024;

/** @throws NativeModuleError when there is no binary for this machine. */
export function loadUws(): UwsModule {
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] = String(MAX_HEADERS_BYTES);
  try {
    const module: unknown = loadUwsBinary();
    // A CommonJS module around a native binding; there is nothing to check its shape against.
    return module as UwsModule;
  } catch (cause) {
    throw new NativeModuleError(
      'The HTTP server module uWebSockets.js does not load on this machine',
      {
        cause,
        hint: 'It is prebuilt for glibc Linux, macOS and Windows: glibc 2.27 or later with Node.js 20, glibc 2.38 or later with Node.js 22 and 24. On Linux x64 the folder for temporary files (TMPDIR) must be writable, and code in it loadable.',
      },
    );
  }
}
