/** A small client of the HTTP API, for tests that want to see status, headers and bytes as they are. */
import { Agent, request } from 'undici';
import type { Dispatcher } from 'undici';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  readonly text: string;
  /** `x-reduct-error`, or an empty text. */
  readonly error: string;
}

export interface TestRecord {
  readonly ts: bigint;
  readonly payload: Buffer;
  readonly labels: Readonly<Record<string, string>>;
}

export class Api {
  readonly #base: string;
  readonly #token: string | undefined;
  readonly #agent = new Agent({ connections: 16, maxHeaderSize: 1 << 20 });

  constructor(url: string, token?: string) {
    this.#base = `${url}/api/v1`;
    this.#token = token;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async call(
    method: Dispatcher.HttpMethod,
    path: string,
    headers: Record<string, string> = {},
    body?: string | Buffer,
  ): Promise<Answer> {
    const authorization =
      this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
    const answer = await request(`${this.#base}${path}`, {
      method,
      headers: { ...authorization, ...headers },
      body: body ?? null,
      dispatcher: this.#agent,
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    const error = answer.headers['x-reduct-error'];
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: bytes,
      text: bytes.toString(),
      error: typeof error === 'string' ? error : '',
    };
  }

  /** Like `call`, and throws unless the answer is 200. */
  async ok(
    method: Dispatcher.HttpMethod,
    path: string,
    headers?: Record<string, string>,
    body?: string | Buffer,
  ): Promise<Answer> {
    const answer = await this.call(method, path, headers, body);
    if (answer.status !== 200) {
      throw new Error(`${method} ${path}: ${answer.status} ${answer.error} ${answer.text}`);
    }
    return answer;
  }

  /** One record by POST. */
  write(bucket: string, entry: string, record: TestRecord): Promise<Answer> {
    const headers: Record<string, string> = { 'content-type': 'application/octet-stream' };
    for (const [name, value] of Object.entries(record.labels)) {
      headers[`x-reduct-label-${name}`] = value;
    }
    return this.call('POST', `/b/${bucket}/${entry}?ts=${record.ts}`, headers, record.payload);
  }

  /** One batch by protocol v1. Label values must need no quotes. */
  writeBatch(bucket: string, entry: string, records: readonly TestRecord[]): Promise<Answer> {
    const headers: Record<string, string> = { 'content-type': 'application/octet-stream' };
    const sorted = [...records].sort((a, b) => (a.ts < b.ts ? -1 : 1));
    for (const { ts, payload, labels } of sorted) {
      const pairs = Object.entries(labels).map(([name, value]) => `,${name}=${value}`);
      headers[`x-reduct-time-${ts}`] =
        `${payload.length},application/octet-stream${pairs.join('')}`;
    }
    const body = Buffer.concat(sorted.map(({ payload }) => payload));
    return this.call('POST', `/b/${bucket}/${entry}/batch`, headers, body);
  }

  /** Everything an entry holds, by GET query and batch reads; empty when the entry does not exist. */
  async readAll(bucket: string, entry: string): Promise<TestRecord[]> {
    const created = await this.call('GET', `/b/${bucket}/${entry}/q`);
    if (created.status === 404) return [];
    const { id }: { id: number } = JSON.parse(created.text);
    const records: TestRecord[] = [];
    for (;;) {
      const batch = await this.call('GET', `/b/${bucket}/${entry}/batch?q=${id}`);
      if (batch.status === 204) return records;
      if (batch.status !== 200) throw new Error(`batch read: ${batch.status} ${batch.error}`);
      records.push(...parseBatch(batch));
    }
  }
}

/** Records of a batch v1 answer, in order. */
export function parseBatch({ headers, body }: Answer): TestRecord[] {
  const records: TestRecord[] = [];
  let at = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith('x-reduct-time-') || typeof value !== 'string') continue;
    const [length = '', , ...pairs] = value.split(',');
    const end = at + Number(length);
    const labels = Object.fromEntries(pairs.map((pair) => pair.split('=', 2)));
    const ts = BigInt(name.slice('x-reduct-time-'.length));
    records.push({ ts, payload: body.subarray(at, end), labels });
    at = end;
  }
  return records;
}
