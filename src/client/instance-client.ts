/** One instance as a client sees it: its buckets, queries and records. Works with Millrace and ReductStore servers. */
import * as v from 'valibot';
import { parseRecordErrors } from '../replication/answer-headers.ts';
import { MAX_BATCH_RECORDS } from '../replication/scan/batch.ts';
import { encodePath } from '../replication/scan/entry-path.ts';
import { joinRecordHeaders, TIME_HEADER } from '../replication/scan/record-headers.ts';
import { parseDestinationUrl } from '../replication/destination-url.ts';
import { RequestGroup } from '../replication/transfer/exchange.ts';
import { type HttpRequest, TargetClient } from '../replication/transfer/target-client.ts';
import { type Answer, openAnswer } from './answer.ts';
import { toApiError } from './errors.ts';
import { ApiError } from '../errors/errors.ts';
import { JsonSyntaxError } from '../wire/json.ts';
import { parseAnswer } from './json-body.ts';
import { type QueryFilter, queryBody, type TimeRange } from './query-body.ts';

/** Where an instance is, and how to talk to it. */
export interface Endpoint {
  /** With an optional base path, without user part. */
  readonly url: string;
  /** `null`: requests carry no `authorization`. */
  readonly token: string | null;
  /** `null`: the system's roots. PEM, may hold several certificates. */
  readonly caPem: string | null;
  readonly verifyTls: boolean;
  /** Longest time to connect, and longest time without a byte in either direction, ms. */
  readonly timeoutMs: number;
}

/** Settings of a bucket as the API writes them, to be handed to another server as they are. */
export type BucketSettings = Readonly<Record<string, unknown>>;

export interface EntryFigures {
  readonly name: string;
  readonly sizeBytes: number;
  readonly recordCount: number;
  /** µs; both 0 without records. */
  readonly oldestUs: bigint;
  readonly latestUs: bigint;
}

export interface BucketInfo {
  readonly settings: BucketSettings;
  /** Without attachments (`$meta`), which no listing shows. */
  readonly entries: readonly EntryFigures[];
}

/** No bound: contents are read piece by piece. */
const ANY_SIZE = -1;

const COUNT = v.union([v.number(), v.bigint()]);
const FIGURES = v.object({
  name: v.string(),
  size: COUNT,
  record_count: COUNT,
  oldest_record: COUNT,
  latest_record: COUNT,
  status: v.optional(v.string()),
});
const BUCKET = v.object({
  settings: v.record(v.string(), v.unknown()),
  entries: v.array(FIGURES),
});
const BUCKETS = v.object({ buckets: v.array(v.object({ name: v.string() })) });
const QUERY_ID = v.object({ id: v.number() });
const REMOVED = v.object({ removed_records: v.number() });

/** Methods reject with ApiError for an answer that is no success, and with the socket's error when there is none. */
export class InstanceClient {
  readonly endpoint: Endpoint;
  readonly http: TargetClient;
  /** Everything asked through this client is given up together. */
  readonly group: RequestGroup = new RequestGroup();
  /** Whether there was any answer, of whatever status. */
  hasAnswered = false;
  /** Of the last answer, `null` before the first; `[1, 21]`. */
  apiVersion: readonly [number, number] | null = null;
  /** The product behind the `server` header, in lower case; an empty text when it is not named. */
  serverName = '';
  /** Cleared once an answer failed: something in between may not let large heads through. */
  mayAskForLargeBatches = true;

  /** @throws ApiError 422 when `endpoint.url` is no URL. */
  constructor(endpoint: Endpoint) {
    const { url, token, caPem, verifyTls, timeoutMs } = endpoint;
    this.endpoint = endpoint;
    this.http = new TargetClient(parseDestinationUrl(url), token, {
      connectTimeoutMs: timeoutMs,
      noProgressTimeoutMs: timeoutMs,
      caPem,
      verifyTls,
      maxAnswerBodyBytes: ANY_SIZE,
    });
  }

  async bucketNames(): Promise<string[]> {
    const { buckets } = await this.document(BUCKETS, 'GET', 'list');
    return buckets.map(({ name }) => name);
  }

  async bucketInfo(bucket: string): Promise<BucketInfo> {
    const { settings, entries } = await this.document(BUCKET, 'GET', bucketPath(bucket));
    return {
      settings,
      entries: entries.filter(({ status }) => status !== 'DELETING').map(toFigures),
    };
  }

  async createBucket(bucket: string, settings: BucketSettings): Promise<void> {
    const answer = await this.open('POST', bucketPath(bucket), JSON.stringify(settings));
    await expectSuccess(answer);
    await answer.discard();
  }

  /** Starts a query over one entry and returns its id. @throws ApiError 404 when the entry is not there. */
  async startQuery(
    bucket: string,
    entry: string,
    range: Partial<TimeRange>,
    filter: QueryFilter,
  ): Promise<number> {
    const path = `${entryPath(bucket, entry)}/q`;
    const body = queryBody('QUERY', range, filter);
    return (await this.document(QUERY_ID, 'POST', path, body)).id;
  }

  /** Removes what matches and returns how many records that were. */
  async removeRecords(
    bucket: string,
    entry: string,
    range: Partial<TimeRange>,
    filter: QueryFilter,
  ): Promise<number> {
    const path = `${entryPath(bucket, entry)}/q`;
    const body = queryBody('REMOVE', range, filter);
    return (await this.document(REMOVED, 'POST', path, body)).removed_records;
  }

  /** Removes single records. @returns those that were there. */
  async removeAt(bucket: string, entry: string, timestamps: readonly bigint[]): Promise<number> {
    let removed = 0;
    for (let from = 0; from < timestamps.length; from += MAX_BATCH_RECORDS) {
      const part = timestamps.slice(from, from + MAX_BATCH_RECORDS);
      const answer = await openAnswer(
        this.http,
        {
          method: 'DELETE',
          path: `${entryPath(bucket, entry)}/batch`,
          headers: [],
          recordHeaders: joinRecordHeaders(part.map((ts) => `${TIME_HEADER}${ts}: 0,`)),
          body: null,
        },
        this.group,
      );
      await expectSuccess(answer);
      await answer.discard();
      removed += part.length - parseRecordErrors(answer.headers).size;
    }
    return removed;
  }

  /** Next batch of a query; status 204 when there is none. */
  async readBatch(
    method: 'GET' | 'HEAD',
    bucket: string,
    entry: string,
    queryId: number,
  ): Promise<Answer> {
    const answer = await this.open(method, `${entryPath(bucket, entry)}/batch?q=${queryId}`);
    await expectSuccess(answer);
    return answer;
  }

  /** One record, its content still to be read. */
  async readRecord(bucket: string, entry: string, ts: bigint): Promise<Answer> {
    const answer = await this.open('GET', `${entryPath(bucket, entry)}?ts=${ts}`);
    await expectSuccess(answer);
    return answer;
  }

  /** @throws ApiError 422 when the answer is none of the API: something else listens there. */
  async document<T>(
    schema: v.GenericSchema<unknown, T>,
    method: HttpRequest['method'],
    path: string,
    body?: string,
  ): Promise<T> {
    const answer = await this.open(method, path, body);
    await expectSuccess(answer);
    const parsed = v.safeParse(schema, tryParse(await answer.text()));
    if (parsed.success) return parsed.output;
    const place = `${method} ${this.endpoint.url}`;
    throw new ApiError(422, `The answer to ${place} is none of a ReductStore or Millrace server`);
  }

  /** Any request below `/api/v1/`; resolves with whatever answer there is. */
  async open(method: HttpRequest['method'], path: string, body?: string): Promise<Answer> {
    const content = body === undefined ? null : Buffer.from(body);
    const headers = content === null ? [] : ['content-type', 'application/json'];
    const request = { method, path, headers, recordHeaders: null, body: content };
    const answer = await openAnswer(this.http, request, this.group);
    this.hasAnswered = true;
    if (this.apiVersion === null) this.#learn(answer);
    return answer;
  }

  close(): Promise<void> {
    return this.http.close();
  }

  #learn({ headers }: Answer): void {
    const version = /^(\d+)\.(\d+)/.exec(String(headers['x-reduct-api'] ?? ''));
    if (version !== null) this.apiVersion = [Number(version[1]), Number(version[2])];
    this.serverName = String(headers['server'] ?? '').toLowerCase();
  }
}

export function bucketPath(bucket: string): string {
  return `b/${encodePath(bucket)}`;
}

export function entryPath(bucket: string, entry: string): string {
  return `${bucketPath(bucket)}/${encodePath(entry)}`;
}

function tryParse(text: string): unknown {
  try {
    return parseAnswer(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}

async function expectSuccess(answer: Answer): Promise<void> {
  if (answer.status < 200 || answer.status >= 300) throw await toApiError(answer);
}

function toFigures(entry: v.InferOutput<typeof FIGURES>): EntryFigures {
  return {
    name: entry.name,
    sizeBytes: Number(entry.size),
    recordCount: Number(entry.record_count),
    oldestUs: BigInt(entry.oldest_record),
    latestUs: BigInt(entry.latest_record),
  };
}
