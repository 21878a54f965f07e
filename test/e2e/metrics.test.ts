import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { Api } from '../lib/api.ts';
import { withInstance, TEST_TOKEN } from '../lib/instance.ts';
import { request } from 'undici';

async function scrape(url: string): Promise<string> {
  const answer = await request(`${url}/metrics`, {
    headers: { authorization: `Bearer ${TEST_TOKEN}` },
  });
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['content-type']).toContain('text/plain');
  return answer.body.text();
}

/** Own metrics of a page: name → type. */
function ownMetrics(page: string): Map<string, string> {
  const types = page.matchAll(/^# TYPE (millrace_\w+) (\w+)$/gm);
  return new Map([...types].map(([, name = '', type = '']) => [name, type]));
}

async function fill(api: Api): Promise<void> {
  await api.ok('POST', '/b/b');
  for (let ts = 1n; ts <= 5n; ts++) {
    await api.write('b', 'e', { ts, payload: Buffer.from('12345678'), labels: {} });
  }
}

test('docs/metrics.md lists exactly the metrics of /metrics, with their types', async () => {
  const text = await readFile(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const rows = text.matchAll(/^\| `(millrace_\w+)`[^|]*\| *(\w+) *\|/gm);
  const documented = new Map([...rows].map(([, name = '', type = '']) => [name, type]));
  await withInstance(async ({ url }) => {
    const actual = ownMetrics(await scrape(url));
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(actual));
  });
});

test('metrics count what happened', async () => {
  await withInstance(async ({ url, api }) => {
    await fill(api);
    const page = await scrape(url);
    expect(page).toContain('millrace_ingest_records_total 5');
    expect(page).toContain('millrace_ingest_bytes_total 40');
    expect(page).toMatch(/millrace_commit_group_records_bucket\{le="1"\} 5/);
    expect(page).toMatch(/millrace_http_requests_total\{route="write",outcome="2xx"\} 5/);
    expect(page).toMatch(/millrace_commit_duration_seconds_count \d+/);
    const help = [...page.matchAll(/^# HELP (millrace_\w+) (.+)$/gm)];
    expect(help.length).toBe(ownMetrics(page).size);
  });
});

test('names have the prefix, and the unit or _total at the end', async () => {
  await withInstance(async ({ url }) => {
    for (const [name, type] of ownMetrics(await scrape(url))) {
      if (type === 'counter') expect(name).toMatch(/_total$/);
      if (/duration|lag/.test(name)) expect(name).toMatch(/_seconds$/);
    }
  });
});
