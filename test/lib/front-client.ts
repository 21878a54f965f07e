/** What tests of the front do with records, over bare sockets. */
import { expect } from 'vitest';
import type { FrontHarness } from './front-harness.ts';
import type { RawRequest, RawResponse } from './raw-http.ts';

type Request = Omit<RawRequest, 'method' | 'path'>;

interface EntryFigures {
  readonly name: string;
  readonly size: number;
  readonly record_count: number;
}

/** A client of one front whose bucket is `data`. */
export class FrontClient {
  readonly front: FrontHarness;
  #entries = 0;

  constructor(front: FrontHarness) {
    this.front = front;
  }

  api(method: string, path: string, request?: Request): Promise<RawResponse> {
    return this.front.api(method, path, request);
  }

  /** Status and error text. */
  async outcome(
    method: string,
    path: string,
    request?: Request,
  ): Promise<[status: number, error: string | undefined]> {
    const response = await this.api(method, path, request);
    return [response.status, response.header('x-reduct-error')];
  }

  /** An entry of its own with records at these timestamps, each with its timestamp as content. */
  async newEntry(timestamps: readonly number[], labels = ''): Promise<string> {
    const entry = `e${this.#entries++}`;
    const headers: Record<string, string> = {};
    const sorted = timestamps.toSorted((a, b) => a - b);
    for (const ts of sorted) {
      headers[`x-reduct-time-${ts}`] = `${String(ts).length},text/plain${labels}`;
    }
    await this.api('POST', `/b/data/${entry}/batch`, { headers, body: sorted.join('') });
    return entry;
  }

  /** Labels of a record, in order; undefined when there is none. */
  async labelsOf(entry: string, ts: number): Promise<Record<string, string> | undefined> {
    const response = await this.api('GET', `/b/data/${entry}?ts=${ts}`);
    if (response.status !== 200) return undefined;
    expect(response.body.toString()).toBe(String(ts));
    const prefix = 'x-reduct-label-';
    const lines = response.headerLines.filter(([name]) => name.startsWith(prefix));
    return Object.fromEntries(lines.map(([name, value]) => [name.slice(prefix.length), value]));
  }

  /** Timestamps of all records, by a query. */
  async timesOf(entry: string): Promise<number[]> {
    const times: number[] = [];
    const created = await this.api('GET', `/b/data/${entry}/q`);
    const id = /\d+/.exec(created.body.toString())?.[0];
    for (;;) {
      const batch = await this.api('GET', `/b/data/${entry}/batch?q=${id}`);
      if (batch.status !== 200) return times;
      for (const [name] of batch.headerLines) {
        if (name.startsWith('x-reduct-time-')) times.push(Number(name.slice(14)));
      }
    }
  }

  /** As the bucket document has them. */
  async figuresOf(entry: string): Promise<EntryFigures> {
    const document = JSON.parse((await this.api('GET', '/b/data')).body.toString()) as {
      entries: EntryFigures[];
    };
    const found = document.entries.find(({ name }) => name === entry);
    if (found === undefined) throw new Error(`no entry ${entry}`);
    return found;
  }
}

/** Headers with the errors of single records. */
export function recordErrors(response: RawResponse): readonly (readonly [string, string])[] {
  return response.headerLines.filter(([name]) => name.startsWith('x-reduct-error'));
}
