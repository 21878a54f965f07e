import { expect } from 'vitest';
import { collect, refusal, writeSeries } from './context.ts';
import type { Scenario } from './context.ts';

const SECOND = 1_000_000n;

export const queries: Scenario = async ({ bucket }) => {
  await writeSeries(bucket, 'e', 80);
  const numbers = async (...args: Parameters<typeof bucket.query>): Promise<unknown[]> =>
    (await collect(bucket.query(...args))).map(({ labels }) => Number(labels['n']));
  expect(await numbers('e')).toEqual(Array.from({ length: 80 }, (_, i) => i + 1));
  expect(await numbers('e', 10n * SECOND, 12n * SECOND)).toEqual([10, 11]);
  expect(await numbers('e', undefined, 3n * SECOND)).toEqual([1, 2]);
  expect(await numbers('e', 79n * SECOND)).toEqual([79, 80]);
  const filtered = (condition: Record<string, unknown>): Promise<unknown[]> =>
    numbers('e', undefined, undefined, { when: condition });
  expect(await filtered({ $limit: 2 })).toEqual([1, 2]);
  expect(await filtered({ $each_n: 40 })).toEqual([40, 80]);
  expect(await filtered({ $each_t: '40s' })).toEqual([41]);
  const when = { $and: [{ '&n': { $gt: 20 } }, { '&n': { $lte: 22 } }] };
  expect(await numbers('e', undefined, undefined, { when, strict: true, ttl: 5 })).toEqual([
    21, 22,
  ]);
  const bad = { when: { '&n': { $nope: 1 } } };
  expect(await refusal(numbers('e', undefined, undefined, bad))).toMatchObject({ status: 422 });
  const strict = { when: { '&absent': { $gt: 1 } }, strict: true };
  expect(await refusal(numbers('e', undefined, undefined, strict))).toMatchObject({ status: 404 });
  const unknown = await refusal(numbers('e', undefined, undefined, { ext: { test: {} } }));
  expect(unknown.status).toBe(422);
  expect(unknown.message).toContain('Unknown extension');
};

export const queryContents: Scenario = async ({ bucket }) => {
  await writeSeries(bucket, 'e', 3);
  const contents: string[] = [];
  for await (const record of bucket.query('e')) {
    contents.push(`${record.entry} ${record.size} ${await record.readAsString()}`);
  }
  expect(contents).toEqual(['e 8 record 1', 'e 8 record 2', 'e 8 record 3']);
  const heads = await collect(bucket.query('e', undefined, undefined, { head: true }));
  expect(heads.map(({ size }) => size)).toEqual([8n, 8n, 8n]);
  const big = Buffer.alloc(3_000_000, '0123456789');
  for (const ts of [10n, 11n, 12n, 13n]) {
    const record = await bucket.beginWrite('big', ts * SECOND);
    await record.write(big);
  }
  let read = 0;
  for await (const record of bucket.query('big')) {
    expect((await record.read()).equals(big)).toBe(true);
    read++;
  }
  expect(read).toBe(4);
};

export const multiEntryQueries: Scenario = async ({ bucket }) => {
  for (const entry of ['acc-a', 'acc-b', 'line/acc', 'other']) await writeSeries(bucket, entry, 3);
  const seen = async (entries: string | string[]): Promise<string[]> => {
    const lines: string[] = [];
    for await (const record of bucket.query(entries)) {
      lines.push(`${record.entry} ${record.time / SECOND} ${await record.readAsString()}`);
    }
    return lines.toSorted();
  };
  const expected = (...entries: string[]): string[] =>
    entries.flatMap((entry) => [1, 2, 3].map((n) => `${entry} ${n} record ${n}`));
  expect(await seen(['acc-a', 'other'])).toEqual(expected('acc-a', 'other'));
  expect(await seen('acc-*')).toEqual(expected('acc-a', 'acc-b'));
  expect(await seen(['*', '!other'])).toEqual(expected('acc-a', 'acc-b', 'line/acc'));
  expect(await seen(['absent'])).toEqual([]);
};

export const continuousQueries: Scenario = async ({ bucket }) => {
  await writeSeries(bucket, 'e', 2);
  const seen: number[] = [];
  const options = { continuous: true, pollInterval: 0.05, ttl: 20 };
  for await (const record of bucket.query('e', 0n, undefined, options)) {
    seen.push(Number(record.labels['n']));
    if (seen.length === 2 || seen.length === 3) {
      const n = seen.length + 1;
      const next = await bucket.beginWrite('e', { ts: BigInt(n) * SECOND, labels: { n } });
      await next.write('later');
    }
    if (seen.length === 4) break;
  }
  expect(seen).toEqual([1, 2, 3, 4]);
};

export const queryLinks: Scenario = async ({ url, bucket }) => {
  await writeSeries(bucket, 'e', 3);
  const selector = { entry: 'e', timestamp: 2n * SECOND };
  const expireAt = new Date(Date.now() + 60_000);
  const link = await bucket.createQueryLink(
    'e',
    undefined,
    undefined,
    {},
    selector,
    expireAt,
    'custom-name.txt',
    url,
  );
  expect(link).toContain(`${url}/api/v1/links/custom-name.txt?`);
  const answer = await fetch(link);
  expect(answer.status).toBe(200);
  expect(await answer.text()).toBe('record 2');
  expect(answer.headers.get('content-type')).toBe('text/plain');
  const part = await fetch(link, { headers: { range: 'bytes=0-5' } });
  expect([part.status, await part.text()]).toEqual([206, 'record']);
  const plain = await bucket.createQueryLink(['e'], 0n, 10n * SECOND, {}, selector);
  expect(plain).toContain('/api/v1/links/');
  const past = new Date(Date.now() - 10_000);
  const expired = await bucket.createQueryLink(
    'e',
    undefined,
    undefined,
    {},
    selector,
    past,
    'old.txt',
    url,
  );
  const refused = await fetch(expired);
  expect(refused.status).toBe(422);
  expect(refused.headers.get('x-reduct-error')).toBe('Query link has expired');
  const tampered = await fetch(link.replace('ct=', 'ct=AA'));
  expect(tampered.status).toBe(422);
};

export const attachments: Scenario = async ({ bucket }) => {
  await writeSeries(bucket, 'e', 1);
  const written = { 'meta-1': { a: 1, list: [1, 2] }, $system: 'text', 1: true, 2.5: null };
  await bucket.writeAttachments('e', written);
  expect(await bucket.readAttachments('e')).toEqual(written);
  await bucket.writeAttachments('e', { 'meta-1': { b: 2 } });
  expect((await bucket.readAttachments('e'))['meta-1']).toEqual({ b: 2 });
  await bucket.removeAttachments('e', ['meta-1', '$system', '1']);
  expect(await bucket.readAttachments('e')).toEqual({ 2.5: null });
  await bucket.removeAttachments('e');
  expect(await bucket.readAttachments('e')).toEqual({});
  expect((await bucket.getEntryList()).map(({ name }) => name)).toEqual(['e']);
};
