/** Records that a target began to store and never finished, because a connection was cut: as ReductStore 1.21 keeps them. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LogFixture } from '../lib/log-fixture.ts';
import { BUCKET, newRuntime, settingsFor, SliceDriver } from '../lib/slice-driver.ts';

let log: LogFixture;
const unfinished = new Set<string>();
const stored = new Set<string>();
const removed: string[] = [];

/** Writes answer 409 for what is there, finished or not; reads of what is unfinished answer 425. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('x-reduct-api', '1.21');
  const ts = /ts=(\d+)/.exec(request.url ?? '')?.[1] ?? '';
  if (request.method === 'POST' && request.url?.endsWith('/batch') === true) {
    for (const name of Object.keys(request.headers)) {
      const own = /^x-reduct-time-(\d+)$/.exec(name)?.[1];
      if (own === undefined) continue;
      if (unfinished.has(own) || stored.has(own)) {
        response.setHeader(`x-reduct-error-${own}`, '409,A record already exists');
      } else stored.add(own);
    }
  } else if (request.method === 'DELETE') {
    removed.push(ts);
    unfinished.delete(ts);
  } else if (request.method === 'HEAD') {
    response.statusCode = unfinished.has(ts) ? 425 : 200;
    response.setHeader('content-length', '1');
    response.setHeader('content-type', 'application/octet-stream');
    if (unfinished.has(ts)) response.setHeader('x-reduct-error', 'still being written');
  } else if (request.url?.endsWith('/q') === true) {
    response.statusCode = 404;
  }
  response.end();
}

const server = createServer((request, response) => {
  request.resume().on('end', () => answer(request, response));
});

beforeEach(async () => {
  log = await LogFixture.open();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  vi.restoreAllMocks();
  server.closeAllConnections();
  server.close();
  await log.close();
});

test('are removed when nobody can be writing them any more, and sent again', async () => {
  const payload = Buffer.from('x');
  log.append(
    BUCKET,
    1,
    [1n, 2n, 3n, 4n].map((ts) => ({ ts, payload })),
  );
  log.publish();
  stored.add('1');
  for (const ts of ['2', '3']) unfinished.add(ts);
  const { port }: AddressInfo = server.address() as AddressInfo;
  const runtime = newRuntime(log, { sliceMs: 10_000 });
  const driver = new SliceDriver(
    runtime,
    settingsFor(`http://127.0.0.1:${port}`),
    new Map([[1, 'e']]),
  );
  let nowMs = Date.now();
  vi.spyOn(Date, 'now').mockImplementation(() => nowMs);
  await driver.slice();
  for (let attempt = 0; attempt < 3; attempt++) {
    const { failure, position } = await driver.slice();
    expect(failure).toMatchObject({ kind: 'refused', key: 425 });
    expect(position.sequence).toBe(1);
  }
  expect(removed, 'somebody may still be writing them').toEqual([]);
  nowMs += 36_000;
  await driver.drain(10);
  expect(removed.toSorted()).toEqual(['2', '3']);
  expect([...stored].toSorted()).toEqual(['1', '2', '3', '4']);
  expect(driver.results.flatMap(({ deadLetters }) => deadLetters)).toEqual([]);
  await runtime.close();
});
