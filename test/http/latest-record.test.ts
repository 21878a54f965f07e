import { beforeEach, describe, expect, test } from 'vitest';
import { CHUNK_BYTES } from '../../src/store/format.ts';
import type { FrontHarness } from '../lib/front-harness.ts';
import { useFront } from '../lib/front-harness.ts';

const open = useFront({ token: 'secret' });
let front: FrontHarness;
let bucket = 0;

beforeEach(async () => {
  front = open();
  bucket++;
  await front.api('POST', `/b/latest-${bucket}`);
});

function path(entry: string): string {
  return `/b/latest-${bucket}/${entry}`;
}

function write(
  entry: string,
  ts: number,
  body: string,
  label = 'a',
): ReturnType<FrontHarness['api']> {
  const headers = { 'x-reduct-label-state': label };
  return front.api('POST', `${path(entry)}?ts=${ts}`, { body, headers });
}

/** The latest record by GET, which HEAD and a read by timestamp have to agree with. */
async function latest(entry: string): Promise<(string | undefined)[]> {
  const read = await front.api('GET', path(entry));
  const ts = read.header('x-reduct-time');
  const head = await front.api('HEAD', path(entry));
  const byTs = await front.api('GET', `${path(entry)}?ts=${ts}`);
  const names = ['x-reduct-time', 'x-reduct-label-state', 'x-reduct-entry', 'content-length'];
  for (const name of names) {
    expect(head.header(name)).toBe(read.header(name));
    expect(byTs.header(name)).toBe(read.header(name));
  }
  expect(byTs.body.equals(read.body)).toBe(true);
  return [ts, read.body.toString(), read.header('x-reduct-label-state')];
}

describe('the latest record, read again and again', () => {
  test('follows every later write, and no earlier one', async () => {
    for (const ts of [10, 20, 30]) {
      await write('e', ts, `content ${ts}`);
      expect(await latest('e')).toEqual([String(ts), `content ${ts}`, 'a']);
      expect(await latest('e')).toEqual([String(ts), `content ${ts}`, 'a']);
    }
    await write('e', 5, 'late');
    expect(await latest('e')).toEqual(['30', 'content 30', 'a']);
  });

  test('shows changed labels', async () => {
    await write('e', 10, 'x');
    expect(await latest('e')).toEqual(['10', 'x', 'a']);
    const headers = { 'x-reduct-label-state': 'b' };
    expect((await front.api('PATCH', `${path('e')}?ts=10`, { headers })).status).toBe(200);
    expect(await latest('e')).toEqual(['10', 'x', 'b']);
  });

  test('is the one before once it is removed, and the new one when its time is written again', async () => {
    await write('e', 10, 'first');
    await write('e', 20, 'second');
    expect(await latest('e')).toEqual(['20', 'second', 'a']);
    await front.api('DELETE', `${path('e')}?ts=20`);
    expect(await latest('e')).toEqual(['10', 'first', 'a']);
    await write('e', 20, 'third', 'c');
    expect(await latest('e')).toEqual(['20', 'third', 'c']);
  });

  test('has the new name of its entry, and an entry of the old name has its own', async () => {
    await write('e', 10, 'x');
    await latest('e');
    await front.api('PUT', `${path('e')}/rename`, { body: '{"new_name":"f"}' });
    expect(await latest('f')).toEqual(['10', 'x', 'a']);
    expect((await front.api('GET', path('e'))).status).toBe(404);
    await write('e', 10, 'y');
    expect(await latest('e')).toEqual(['10', 'y', 'a']);
    expect(await latest('f')).toEqual(['10', 'x', 'a']);
  });

  test('may be large, after a small one and before one', async () => {
    const large = 'x'.repeat(CHUNK_BYTES + 10);
    await write('e', 10, 'small');
    expect(await latest('e')).toEqual(['10', 'small', 'a']);
    await write('e', 20, large);
    expect(await latest('e')).toEqual(['20', large, 'a']);
    expect(await latest('e')).toEqual(['20', large, 'a']);
    await write('e', 30, '');
    expect(await latest('e')).toEqual(['30', '', 'a']);
  });
});
