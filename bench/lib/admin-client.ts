/** The few management calls that rows need. */
import { Agent, request } from 'undici';

export type TaskMode = 'enabled' | 'paused' | 'disabled';

export interface TaskSettings {
  readonly dstHost: string;
  readonly dstToken: string;
  readonly dstBucket: string;
  readonly mode: TaskMode;
  readonly include?: Readonly<Record<string, string>>;
}

interface Method {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'HEAD';
  readonly body?: unknown;
}

/** Every method throws Error with status and text for an answer that is not 200. */
export class AdminClient {
  readonly #url: string;
  readonly #authorization: string;
  // Own connections: they end with the row, and a server that comes back on the same port gets fresh ones.
  readonly #agent: Agent = new Agent({ connections: 4 });

  constructor(url: string, token: string) {
    this.#url = url;
    this.#authorization = `Bearer ${token}`;
  }

  /** Whether `/ready` answers 200; no answer is a no. */
  async isReady(): Promise<boolean> {
    try {
      await this.#send('/api/v1/ready', { method: 'GET' });
      return true;
    } catch {
      return false;
    }
  }

  async createBucket(bucket: string): Promise<void> {
    await this.#send(`/api/v1/b/${bucket}`, { method: 'POST' });
  }

  async removeBucket(bucket: string): Promise<void> {
    await this.#send(`/api/v1/b/${bucket}`, { method: 'DELETE' });
  }

  /** Sum over all entries, from `GET /b/<bucket>` (http-api: bucket info). */
  async recordCount(bucket: string): Promise<number> {
    const counts = await this.recordCounts(bucket);
    return [...counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** By entry, from `GET /b/<bucket>`. */
  async recordCounts(bucket: string): Promise<Map<string, number>> {
    const text = await this.#send(`/api/v1/b/${bucket}`, { method: 'GET' });
    const { entries } = JSON.parse(text) as { entries: { name: string; record_count: number }[] };
    return new Map(entries.map((entry) => [entry.name, entry.record_count]));
  }

  /** @param entry undefined for all entries. @param query members besides its type. @returns its id */
  async createQuery(
    bucket: string,
    entry: string | undefined,
    query: Readonly<Record<string, unknown>>,
  ): Promise<number> {
    const path = entry === undefined ? `io/${bucket}/q` : `b/${bucket}/${entry}/q`;
    const body = { ...query, query_type: 'QUERY' };
    const text = await this.#send(`/api/v1/${path}`, { method: 'POST', body });
    return (JSON.parse(text) as { id: number }).id;
  }

  async createTask(name: string, bucket: string, settings: TaskSettings): Promise<void> {
    const { dstHost, dstToken, dstBucket, mode, include } = settings;
    const body = {
      src_bucket: bucket,
      dst_bucket: dstBucket,
      dst_host: dstHost,
      dst_token: dstToken,
      entries: [],
      mode,
      ...(include === undefined ? {} : { include }),
    };
    await this.#send(`/api/v1/replications/${name}`, { method: 'POST', body });
  }

  async removeTask(name: string): Promise<void> {
    await this.#send(`/api/v1/replications/${name}`, { method: 'DELETE' });
  }

  async setTaskMode(name: string, mode: TaskMode): Promise<void> {
    await this.#send(`/api/v1/replications/${name}/mode`, { method: 'PATCH', body: { mode } });
  }

  async pendingRecords(name: string): Promise<number> {
    const text = await this.#send(`/api/v1/replications/${name}`, { method: 'GET' });
    const { info } = JSON.parse(text) as { info: { pending_records: number } };
    return info.pending_records;
  }

  /** `GET /metrics` as text. */
  metrics(): Promise<string> {
    return this.#send('/metrics', { method: 'GET' });
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #send(path: string, { method, body }: Method): Promise<string> {
    const response = await request(`${this.#url}${path}`, {
      method,
      dispatcher: this.#agent,
      headers: { authorization: this.#authorization },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.body.text();
    if (response.statusCode === 200) return text;
    const reason = response.headers['x-reduct-error'] ?? text.slice(0, 200);
    throw new Error(`${method} ${path} answered ${response.statusCode}: ${String(reason)}`);
  }
}
