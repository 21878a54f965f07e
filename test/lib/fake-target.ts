/** A target for replication tests: stores records, and fails as it is told. Real HTTP on loopback. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import zlib from 'node:zlib';
import { freePort } from '../../bench/lib/free-port.ts';

export interface StoredRecord {
  readonly ts: bigint;
  readonly contentType: string;
  labels: Map<string, string>;
  readonly payload: Buffer;
}

/**
 * What happens to one request: `ok`; a status for the whole; per-record errors; `reset` before the body was read;
 * `reset-mid-answer` stores everything and cuts the connection instead of answering; `stall` never answers.
 */
export type Fault =
  | { readonly kind: 'ok' | 'reset' | 'reset-mid-answer' | 'stall' }
  | { readonly kind: 'status'; readonly status: number; readonly text: string }
  /** Takes the records, unless `stores` is false, and sends these bytes instead of an answer. */
  | {
      readonly kind: 'raw';
      readonly bytes: string;
      readonly stores?: boolean;
      /** Then the connection is closed, cut, or left open. */
      readonly end: 'close' | 'reset' | 'hang';
    }
  | {
      readonly kind: 'records';
      readonly errorOf: (ts: bigint) => string | undefined;
      /** Records with an error are stored all the same. */
      readonly stores?: boolean;
    };

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly timestamps: readonly bigint[];
  readonly body: Buffer;
}

type Answer = { status: number; headers: Record<string, string> };

export class FakeTarget {
  /** By `<bucket>/<entry>`, in the order in which records arrived. */
  readonly stored: Map<string, StoredRecord[]> = new Map();
  readonly buckets: Set<string> = new Set(['dst']);
  readonly requests: SeenRequest[] = [];
  /** Times that somebody asked for one record: what it is like, or its content. */
  headRequests = 0;
  getRequests = 0;
  /** Times that somebody asked what there is in a range of time. */
  queries = 0;
  /** Labels, not content, of all records in a range can be asked for (all versions but old ones). */
  knowsQueries = true;
  /** Answer to reads of records, of any kind; undefined: the truth. */
  readStatus: number | undefined;
  readonly #queried: Map<string, readonly StoredRecord[]> = new Map();
  /** Asked once per request that moves records; default: everything works. */
  faultOf: (request: SeenRequest) => Fault = () => ({ kind: 'ok' });
  /** `x-reduct-api`, and what servers of that version can do; null: none is sent, and the abilities are those of 1.20. */
  apiVersion: string | null = '1.20';
  /** Further headers of answers about the bucket. */
  bucketHeaders: Readonly<Record<string, string>> = {};
  /** Answer to the bucket check; undefined: the truth. */
  checkStatus: number | undefined;
  /** Requests being worked on, by entry, and the most there ever were. */
  readonly maxInFlight: Map<string, number> = new Map();
  maxTotalInFlight = 0;
  readonly #inFlight: Map<string, number> = new Map();
  #total = 0;
  #server: Server | undefined;
  #port = 0;
  readonly #sockets: Set<Socket> = new Set();
  /** Delay before each answer, ms. */
  delayMs = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** @param port where it was before it was stopped; without, on a free one. */
  async start(port?: number): Promise<void> {
    const server = createServer({ maxHeaderSize: 1 << 20 }, (req, res) => {
      req.on('error', () => undefined);
      void this.#handle(req, res);
    });
    server.maxHeadersCount = 2000;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
    });
    this.#port = port ?? (await freePort());
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
  }

  /** As if killed: every connection is cut. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  recordsOf(place: string): readonly StoredRecord[] {
    return this.stored.get(place) ?? [];
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://x');
    const parts = pathname.split('/').slice(3).map(decodeURIComponent);
    const isBatch = parts.at(-1) === 'batch';
    const [, bucket = ''] = parts;
    const entry = parts.slice(2, isBatch ? -1 : undefined).join('/');
    if (entry === '') return this.#answerBucket(req, res, bucket);
    const place = `${bucket}/${entry}`;
    const isQuery = req.method === 'POST' && entry.endsWith('/q');
    if (req.method === 'HEAD' || req.method === 'GET' || isQuery) {
      await this.#answerRead(req, res, place, searchParams);
      return;
    }
    this.#enter(place);
    try {
      await this.#answerRecords(req, res, bucket, place, searchParams.get('ts'));
    } finally {
      this.#leave(place);
    }
  }

  async #answerRead(
    req: IncomingMessage,
    res: ServerResponse,
    place: string,
    params: URLSearchParams,
  ): Promise<void> {
    const body = await readBody(req);
    if (this.readStatus !== undefined) {
      res.writeHead(this.readStatus, { 'x-reduct-error': `read ${this.readStatus}` }).end();
    } else if (req.method === 'POST') {
      this.#answerQuery(res, place.slice(0, -'/q'.length), body?.toString() ?? '');
    } else if (params.has('q')) {
      this.#answerQueried(res, params.get('q') ?? '');
    } else {
      if (req.method === 'HEAD') this.headRequests++;
      else this.getRequests++;
      const ts = BigInt(params.get('ts') ?? 0);
      const record = this.recordsOf(place).find((known) => known.ts === ts);
      if (record === undefined) res.writeHead(404, { 'x-reduct-error': 'no record' }).end();
      else res.writeHead(200, headersOf(record)).end(req.method === 'GET' ? record.payload : '');
    }
  }

  #answerQuery(res: ServerResponse, place: string, body: string): void {
    if (!this.knowsQueries) {
      res.writeHead(404).end();
      return;
    }
    this.queries++;
    const bound = (name: string): bigint =>
      BigInt(new RegExp(`"${name}":(\\d+)`).exec(body)?.[1] ?? 0);
    const records = this.recordsOf(place).filter(
      ({ ts }) => ts >= bound('start') && ts < bound('stop'),
    );
    const id = `${this.queries}`;
    this.#queried.set(
      id,
      records.toSorted((a, b) => (a.ts < b.ts ? -1 : 1)),
    );
    res.writeHead(200).end(`{"id":${id}}`);
  }

  #answerQueried(res: ServerResponse, id: string): void {
    const records = this.#queried.get(id) ?? [];
    const batch = records.slice(0, 85);
    this.#queried.set(id, records.slice(85));
    const headers: Record<string, string> = { 'x-reduct-last': `${records.length <= 85}` };
    for (const { ts, payload, contentType, labels } of batch) {
      const pairs = [...labels].map(([name, value]) => `,${name}="${value}"`).join('');
      headers[`x-reduct-time-${ts}`] = `${payload.length},${contentType}${pairs}`;
    }
    res.writeHead(batch.length === 0 ? 204 : 200, headers).end();
  }

  #answerBucket(req: IncomingMessage, res: ServerResponse, bucket: string): void {
    req.resume();
    const headers = {
      ...(this.apiVersion === null ? {} : { 'x-reduct-api': this.apiVersion }),
      ...this.bucketHeaders,
    };
    if (req.method === 'POST') {
      this.buckets.add(bucket);
      res.writeHead(200, headers).end();
      return;
    }
    const status = this.checkStatus ?? (this.buckets.has(bucket) ? 200 : 404);
    const document = status === 200 ? JSON.stringify(this.#bucketDocument(bucket)) : '{}';
    res.writeHead(status, { ...headers, 'x-reduct-error': `check ${status}` }).end(document);
  }

  #bucketDocument(bucket: string): unknown {
    const entries = [...this.stored].flatMap(([place, records]) => {
      if (!place.startsWith(`${bucket}/`)) return [];
      const times = records.map(({ ts }) => Number(ts));
      const figures = { oldest_record: Math.min(...times), latest_record: Math.max(...times) };
      const name = place.slice(bucket.length + 1);
      return [{ name, size: 0, record_count: records.length, ...figures, status: 'READY' }];
    });
    return { info: { name: bucket }, settings: {}, entries };
  }

  async #answerRecords(
    req: IncomingMessage,
    res: ServerResponse,
    bucket: string,
    place: string,
    singleTs: string | null,
  ): Promise<void> {
    const path = (req.url ?? '').split('?')[0] ?? '';
    const timestamps = timestampsOf(req, singleTs);
    const early: SeenRequest = {
      method: req.method ?? '',
      path,
      headers: req.headers,
      timestamps,
      body: Buffer.alloc(0),
    };
    const fault = this.faultOf(early);
    if (fault.kind === 'reset') {
      this.requests.push(early);
      req.socket.resetAndDestroy();
      return;
    }
    const raw = await readBody(req);
    if (raw === undefined) return;
    const isAsked = fault.kind === 'ok' || fault.kind === 'records';
    const refusal = isAsked ? this.#versionRefusal(req, place, singleTs) : undefined;
    if (refusal !== undefined) {
      this.requests.push({ ...early, body: raw });
      res.writeHead(refusal.status, refusal.headers).end();
      return;
    }
    const body = decoded(raw, req.headers['content-encoding']);
    const request = { ...early, body };
    this.requests.push(request);
    if (fault.kind === 'stall') return;
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    if (fault.kind === 'status') {
      res.writeHead(fault.status, { 'x-reduct-error': fault.text }).end();
      return;
    }
    if (fault.kind === 'raw' && fault.stores === false) {
      answerRaw(req.socket, fault);
      return;
    }
    const answer = this.#apply(request, bucket, place, singleTs, fault);
    if (fault.kind === 'raw') answerRaw(req.socket, fault);
    else if (fault.kind === 'reset-mid-answer') req.socket.resetAndDestroy();
    else res.writeHead(answer.status, answer.headers).end();
  }

  /** What servers of old versions refuse (replication §5.12). */
  #versionRefusal(
    req: IncomingMessage,
    place: string,
    singleTs: string | null,
  ): Answer | undefined {
    const minor = Number((this.apiVersion ?? '1.20').split('.')[1]);
    const isUpdate = req.method === 'PATCH' && singleTs === null;
    if (isUpdate && minor < 11) return { status: 405, headers: {} };
    if (minor < 19 && place.split('/').length > 2) return { status: 404, headers: {} };
    if (minor < 21 && req.headers['content-encoding'] !== undefined) {
      return { status: 422, headers: { 'x-reduct-error': 'content-length header is required' } };
    }
    return undefined;
  }

  #apply(
    request: SeenRequest,
    bucket: string,
    place: string,
    singleTs: string | null,
    fault: Fault,
  ): Answer {
    const headers: Record<string, string> = {};
    const records = singleTs === null ? parseBatch(request) : [parseSingle(request, singleTs)];
    const length = records.reduce((sum, record) => sum + record.payload.length, 0);
    if (request.method === 'POST' && length !== request.body.length) {
      return { status: 422, headers: { 'x-reduct-error': 'content-length does not match' } };
    }
    for (const record of records) {
      const told = fault.kind === 'records' ? fault.errorOf(record.ts) : undefined;
      const mayStore = told === undefined || (fault.kind === 'records' && fault.stores === true);
      const own = mayStore ? this.#store(request.method, bucket, place, record) : undefined;
      const error = told ?? own;
      if (error === undefined) continue;
      if (singleTs !== null) {
        const [status = '500', text = ''] = error.split(/,(.*)/s);
        return { status: Number(status), headers: { 'x-reduct-error': text } };
      }
      headers[`x-reduct-error-${record.ts}`] = error;
    }
    return { status: 200, headers };
  }

  #store(method: string, bucket: string, place: string, record: StoredRecord): string | undefined {
    if (!this.buckets.has(bucket)) return `404,Bucket '${bucket}' is not found`;
    const records = this.stored.get(place) ?? [];
    this.stored.set(place, records);
    const known = records.find(({ ts }) => ts === record.ts);
    if (method === 'PATCH') {
      if (known === undefined) return `404,Record ${record.ts} not found in entry ${place}`;
      for (const [name, value] of record.labels) {
        if (value === '') known.labels.delete(name);
        else known.labels.set(name, value);
      }
      return undefined;
    }
    if (place.endsWith('$meta') && record.labels.get('remove') === 'true') {
      return "422,System entry does not support writing records with label 'remove=true'";
    }
    if (known !== undefined) return `409,A record with timestamp ${record.ts} already exists`;
    records.push(record);
    return undefined;
  }

  #enter(place: string): void {
    const now = (this.#inFlight.get(place) ?? 0) + 1;
    this.#inFlight.set(place, now);
    this.maxInFlight.set(place, Math.max(now, this.maxInFlight.get(place) ?? 0));
    this.#total++;
    this.maxTotalInFlight = Math.max(this.maxTotalInFlight, this.#total);
  }

  #leave(place: string): void {
    this.#inFlight.set(place, (this.#inFlight.get(place) ?? 1) - 1);
    this.#total--;
  }
}

function answerRaw(socket: Socket, { bytes, end }: Extract<Fault, { kind: 'raw' }>): void {
  socket.write(bytes, () => {
    if (end === 'close') socket.end();
    if (end === 'reset') socket.resetAndDestroy();
  });
}

function timestampsOf(req: IncomingMessage, singleTs: string | null): bigint[] {
  if (singleTs !== null) return [BigInt(singleTs)];
  return Object.keys(req.headers)
    .filter((name) => name.startsWith('x-reduct-time-'))
    .map((name) => BigInt(name.slice('x-reduct-time-'.length)))
    .toSorted((a, b) => (a < b ? -1 : 1));
}

function parseBatch(request: SeenRequest): StoredRecord[] {
  let at = 0;
  return request.timestamps.map((ts) => {
    const value = String(request.headers[`x-reduct-time-${ts}`]);
    const [length = '0', contentType = '', ...pairs] = splitCommas(value);
    const payload = request.body.subarray(at, at + Number(length));
    at += Number(length);
    return { ts, contentType, labels: new Map(pairs.map(splitPair)), payload };
  });
}

function parseSingle(request: SeenRequest, singleTs: string): StoredRecord {
  const prefix = 'x-reduct-label-';
  const labels = new Map<string, string>();
  for (const [name, value] of Object.entries(request.headers)) {
    if (name.startsWith(prefix)) labels.set(name.slice(prefix.length), String(value));
  }
  const contentType = request.headers['content-type'] ?? '';
  return { ts: BigInt(singleTs), contentType, labels, payload: request.body };
}

function headersOf({ payload, contentType, labels }: StoredRecord): Record<string, string> {
  const headers: Record<string, string> = { 'content-length': `${payload.length}` };
  if (contentType !== '') headers['content-type'] = contentType;
  for (const [name, value] of labels) headers[`x-reduct-label-${name}`] = value;
  return headers;
}

/** Commas inside double quotes do not count. */
function splitCommas(value: string): string[] {
  return value.match(/(?:"[^"]*"|[^,])+|(?<=,)(?=,)/g) ?? [];
}

function splitPair(pair: string): [string, string] {
  const equals = pair.indexOf('=');
  return [pair.slice(0, equals), pair.slice(equals + 1).replace(/^"(.*)"$/, '$1')];
}

function decoded(body: Buffer, coding: string | undefined): Buffer {
  if (coding === undefined) return body;
  if (coding === 'gzip') return zlib.gunzipSync(body);
  return Buffer.from((Reflect.get(zlib, 'zstdDecompressSync') as (bytes: Buffer) => Buffer)(body));
}

async function readBody(req: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  try {
    for await (const part of req) parts.push(part as Buffer);
  } catch {
    return undefined;
  }
  return Buffer.concat(parts);
}
