/**
 * Stands between a source and its target, passes everything on, and notes for every record when the target answered
 * the batch that brought it with 200. Asking the target for each record instead would load it more than the records do.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Pool } from 'undici';
import { serveCalls } from '../lib/child-calls.ts';
import { monotonicMs } from '../lib/open-loop.ts';

const MAX_HEADER_BYTES = 1024 * 1024;
const RECORD_HEADER = 'x-reduct-time-';
const ERROR_HEADER = 'x-reduct-error-';
const BATCH_PATH = /^\/api\/v1\/b\/[^/]+\/(.+)\/batch$/;
/** Of one hop; they are not passed on. */
const HOP_HEADERS = new Set(['connection', 'keep-alive', 'transfer-encoding', 'host', 'expect']);

/** By `<entry>/<timestamp>`, in ms of the monotonic clock. The first time counts, should a batch come again. */
const stamps: Map<string, number> = new Map();

async function forward(pool: Pool, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(Buffer.from(chunk as Uint8Array));
  const body = Buffer.concat(chunks);
  const path = req.url ?? '/';
  const answer = await pool.request({
    method: (req.method ?? 'GET') as 'GET',
    path,
    headers: endToEnd(req.headers),
    body: body.length === 0 ? null : body,
  });
  if (answer.statusCode === 200) stampRecords(path, req, answer.headers);
  res.writeHead(answer.statusCode, endToEnd(answer.headers));
  res.end(Buffer.from(await answer.body.arrayBuffer()));
}

function stampRecords(path: string, req: IncomingMessage, answerHeaders: object): void {
  const entry = BATCH_PATH.exec(path)?.[1];
  if (entry === undefined) return;
  const nowMs = monotonicMs();
  for (const name of Object.keys(req.headers)) {
    if (!name.startsWith(RECORD_HEADER)) continue;
    const timestamp = name.slice(RECORD_HEADER.length);
    if (`${ERROR_HEADER}${timestamp}` in answerHeaders) continue;
    const key = `${entry}/${timestamp}`;
    if (!stamps.has(key)) stamps.set(key, nowMs);
  }
}

function endToEnd(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string | string[]> {
  const passed: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !HOP_HEADERS.has(name)) passed[name] = value;
  }
  return passed;
}

async function listen(argument: unknown): Promise<number> {
  const pool = new Pool(argument as string, { maxHeaderSize: MAX_HEADER_BYTES });
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (req, res) => {
    forward(pool, req, res).catch(() => res.destroy());
  });
  server.maxHeadersCount = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`address ${address}`);
  return address.port;
}

serveCalls({ listen, stamps: () => [...stamps] });
