import { Pool, type Dispatcher } from 'undici';
import * as v from 'valibot';
import { ApiError } from '../errors/errors.ts';
import {
  parseBatch,
  parseRecordErrors,
  type RecordError,
  type ResponseHeaders,
} from './batch-text.ts';
import { CONTENT_TYPE, type Labels, type StoredRecord } from './plan.ts';

/** What the demo reads of `GET /replications/<name>` (replication contract §1.5). */
export interface TaskState {
  readonly pendingRecords: number;
  readonly isActive: boolean;
  /** Of the last hour. */
  readonly okRecords: number;
  readonly erroredRecords: number;
}

/** Entries of a bucket with their number of records. */
export type EntryCounts = ReadonlyMap<string, number>;

interface Answer {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: Buffer;
}

type Method = Dispatcher.HttpMethod;

const TASK_STATE = v.object({
  info: v.object({ pending_records: v.number(), is_active: v.boolean() }),
  diagnostics: v.object({ hourly: v.object({ ok: v.number(), errored: v.number() }) }),
});
const BUCKET_INFO = v.object({
  entries: v.array(v.object({ name: v.string(), record_count: v.number() })),
});
const QUERY_ID = v.object({ id: v.number() });

/** 85 records with their labels need more than undici's 16 KiB; the server's own limit is half of this. */
const MAX_HEADER_BYTES = 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 5_000;
const CONNECTIONS = 16;
const MAX_TIMESTAMP_US: bigint = 2n ** 64n - 1n;
/** `GET …/batch` says with it that nothing more comes now (records contract §4). */
const NO_CONTENT = 204;

/**
 * One instance over HTTP, with its own kept-alive connections. Every method throws `ApiError` with method, path, status
 * and text for an answer it does not expect, and undici's error when there is no answer.
 */
export class InstanceClient {
  readonly #pool: Pool;
  readonly #authorization: string;

  constructor(url: string, token: string) {
    this.#authorization = `Bearer ${token}`;
    this.#pool = new Pool(url, {
      connections: CONNECTIONS,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_TIMEOUT_MS,
      bodyTimeout: REQUEST_TIMEOUT_MS,
      connect: { timeout: CONNECT_TIMEOUT_MS },
    });
  }

  /** Whether `/ready` answers 200; no answer is a no. */
  async isReady(): Promise<boolean> {
    try {
      return (await this.#send('GET', '/api/v1/ready')).status === 200;
    } catch {
      return false;
    }
  }

  async createBucket(bucket: string): Promise<void> {
    await this.#expectOk('POST', `/api/v1/b/${bucket}`);
  }

  async createReplication(name: string, settings: unknown): Promise<void> {
    await this.#expectOk('POST', `/api/v1/replications/${name}`, {}, JSON.stringify(settings));
  }

  async taskState(name: string): Promise<TaskState> {
    const { body } = await this.#expectOk('GET', `/api/v1/replications/${name}`);
    const { info, diagnostics } = v.parse(TASK_STATE, JSON.parse(body.toString()));
    return {
      pendingRecords: info.pending_records,
      isActive: info.is_active,
      okRecords: diagnostics.hourly.ok,
      erroredRecords: diagnostics.hourly.errored,
    };
  }

  async entryCounts(bucket: string): Promise<EntryCounts> {
    const { body } = await this.#expectOk('GET', `/api/v1/b/${bucket}`);
    const { entries } = v.parse(BUCKET_INFO, JSON.parse(body.toString()));
    return new Map(entries.map((entry) => [entry.name, entry.record_count]));
  }

  /** `GET /metrics` as text, or an empty text when the instance does not offer it. */
  async metricsText(): Promise<string> {
    const { status, body } = await this.#send('GET', '/metrics');
    return status === 200 ? body.toString() : '';
  }

  async writeRecord(
    bucket: string,
    entry: string,
    timestampUs: bigint,
    labels: Labels,
    payload: Buffer,
  ): Promise<void> {
    const headers: Record<string, string> = { 'content-type': CONTENT_TYPE };
    for (const [name, value] of Object.entries(labels)) headers[`x-reduct-label-${name}`] = value;
    await this.#expectOk(
      'POST',
      `/api/v1/b/${bucket}/${entry}?ts=${timestampUs}`,
      headers,
      payload,
    );
  }

  /** Writes a batch; returns the records that were not stored. */
  async writeBatch(
    bucket: string,
    entry: string,
    recordHeaders: Record<string, string>,
    body: Buffer,
  ): Promise<RecordError[]> {
    const path = `/api/v1/b/${bucket}/${entry}/batch`;
    return parseRecordErrors((await this.#expectOk('POST', path, recordHeaders, body)).headers);
  }

  async hasRecord(bucket: string, entry: string, timestampUs: bigint): Promise<boolean> {
    const path = `/api/v1/b/${bucket}/${entry}?ts=${timestampUs}`;
    const { status } = await this.#send('HEAD', path);
    if (status === 200) return true;
    if (status === 404) return false;
    throw new ApiError(status, `HEAD ${path} answered ${status}`);
  }

  /** All records of an entry in ascending time, one batch in memory at a time; none when the entry does not exist. */
  async *records(bucket: string, entry: string): AsyncGenerator<StoredRecord> {
    const path = `/api/v1/b/${bucket}/${entry}`;
    const query = await this.#send('GET', `${path}/q?start=0&stop=${MAX_TIMESTAMP_US}`);
    if (query.status === 404) return;
    const { body } = expectStatus(query, 200, 'GET', `${path}/q`);
    const { id } = v.parse(QUERY_ID, JSON.parse(body.toString()));
    for (;;) {
      const batch = await this.#send('GET', `${path}/batch?q=${id}`);
      if (batch.status === NO_CONTENT) return;
      const { headers } = expectStatus(batch, 200, 'GET', `${path}/batch`);
      yield* parseBatch(headers, batch.body);
      if (headers['x-reduct-last'] === 'true') return;
    }
  }

  /** Drops all connections and what is in flight on them. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #expectOk(
    method: Method,
    path: string,
    headers?: Record<string, string>,
    body?: Buffer | string,
  ): Promise<Answer> {
    return expectStatus(await this.#send(method, path, headers, body), 200, method, path);
  }

  async #send(
    method: Method,
    path: string,
    headers: Record<string, string> = {},
    body: Buffer | string | null = null,
  ): Promise<Answer> {
    const response = await this.#pool.request({
      method,
      path,
      headers: { authorization: this.#authorization, ...headers },
      body,
    });
    const bytes = Buffer.from(await response.body.arrayBuffer());
    return { status: response.statusCode, headers: response.headers, body: bytes };
  }
}

function expectStatus(answer: Answer, expected: number, method: string, path: string): Answer {
  if (answer.status === expected) return answer;
  const text = String(answer.headers['x-reduct-error'] ?? answer.body.toString().slice(0, 200));
  throw new ApiError(answer.status, `${method} ${path} answered ${answer.status}: ${text}`);
}
