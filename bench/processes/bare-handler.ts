/**
 * The reference of the ingest rows: a uWebSockets.js handler that reads the same request (path, timestamp, token,
 * content type, every header line, the whole body) and answers 200. What Millrace costs beyond it is Millrace.
 */
import {
  LISTEN_EXCLUSIVE,
  loadUws,
  type UwsRequest,
  type UwsResponse,
} from '../../src/http/uws.ts';
import { serveCalls } from '../lib/child-calls.ts';

const uws = loadUws();
/** Keeps what was read alive, so that no compiler may leave the reading out. */
let sink = 0;

function handle(res: UwsResponse, req: UwsRequest): void {
  sink += req.getUrl().length + (req.getQuery()?.length ?? 0);
  req.forEach((name, value) => {
    sink += name.length + value.length;
  });
  let isGone = false;
  res.onAborted(() => {
    isGone = true;
  });
  res.onData((chunk, isLast) => {
    sink += chunk.byteLength;
    if (!isLast || isGone) return;
    res.cork(() => {
      res.end();
    });
  });
}

function listen(): Promise<number> {
  return new Promise((resolve, reject) => {
    uws
      .App()
      .any('/*', handle)
      .listen('127.0.0.1', 0, LISTEN_EXCLUSIVE, (socket) => {
        if (socket === false) reject(new Error('cannot listen'));
        else resolve(uws.us_socket_local_port(socket));
      });
  });
}

serveCalls({ listen, sink: () => sink });
