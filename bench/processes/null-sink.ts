/**
 * A replication target that keeps nothing: every GET is a bucket, every POST a batch that was stored (replication
 * contract §5.3). What a task costs against it is the source's cost.
 */
import { LISTEN_EXCLUSIVE, loadUws, type UwsResponse } from '../../src/http/uws.ts';
import { serveCalls } from '../lib/child-calls.ts';
import type { SinkCounts } from '../lib/null-sink.ts';
import { monotonicMs } from '../lib/open-loop.ts';

const uws = loadUws();
const BUCKET_INFO = JSON.stringify({
  info: {
    name: 'sink',
    entry_count: 0,
    size: 0,
    oldest_record: 0,
    latest_record: 0,
    is_provisioned: false,
  },
  settings: {
    quota_type: 'NONE',
    quota_size: 0,
    max_block_size: 64_000_000,
    max_block_records: 1024,
  },
  entries: [],
});

let requests = 0;
let bodyBytes = 0;
let listeningMs = 0;
let firstBatchMs = 0;

function takeBatch(res: UwsResponse): void {
  let isGone = false;
  res.onAborted(() => {
    isGone = true;
  });
  res.onData((chunk, isLast) => {
    bodyBytes += chunk.byteLength;
    if (!isLast || isGone) return;
    requests++;
    if (firstBatchMs === 0) firstBatchMs = monotonicMs();
    res.cork(() => {
      res.writeHeader('x-reduct-api', '1.21').end();
    });
  });
}

function listen(argument: unknown): Promise<number> {
  const port = argument as number;
  return new Promise((resolve, reject) => {
    uws
      .App()
      .any('/*', (res, req) => {
        if (req.getMethod() !== 'get') {
          takeBatch(res);
          return;
        }
        res.writeHeader('x-reduct-api', '1.21').writeHeader('content-type', 'application/json');
        res.end(BUCKET_INFO);
      })
      .listen('127.0.0.1', port, LISTEN_EXCLUSIVE, (socket) => {
        listeningMs = monotonicMs();
        if (socket === false) reject(new Error(`cannot listen on port ${port}`));
        else resolve(uws.us_socket_local_port(socket));
      });
  });
}

serveCalls({
  listen,
  counts: (): SinkCounts => ({ requests, bodyBytes, listeningMs, firstBatchMs }),
});
