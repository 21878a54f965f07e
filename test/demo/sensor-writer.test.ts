import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { InstanceClient } from '../../src/demo/instance-client.ts';
import { SensorWriter, type WriteTotals } from '../../src/demo/sensor-writer.ts';
import { sensorSource } from './sources.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A server that reads each request and then answers as told; requests are counted from 1. */
async function serve(answer: Answer): Promise<InstanceClient> {
  let count = 0;
  const server: Server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      answer(request, response, ++count);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const client = new InstanceClient(`http://127.0.0.1:${address.port}`, 'token');
  closers.push(async () => {
    await client.close();
    server.closeAllConnections();
    server.close();
  });
  return client;
}

function writerOf(client: InstanceClient, onDeliverable: (timestampUs: bigint) => void = () => {}) {
  const totals: WriteTotals = { records: 0, bytes: 0, batches: 0, singles: 0, repeats: 0 };
  const writer = new SensorWriter({ source: sensorSource(0), client, totals, onDeliverable });
  return { writer, totals };
}

const NEVER = new AbortController().signal;
const firstTimestamp = (request: IncomingMessage): string => {
  const names = Object.keys(request.headers);
  return names.find((name) => name.startsWith('x-reduct-time-'))?.slice(14) ?? '';
};

describe('SensorWriter', () => {
  test('writes batches and single records in order and counts what is acknowledged', async () => {
    const seen: bigint[] = [];
    const client = await serve((request, response) => {
      const single = new URL(request.url ?? '', 'http://x').searchParams.get('ts');
      seen.push(BigInt(single ?? firstTimestamp(request)));
      response.end();
    });
    const deliverable: bigint[] = [];
    const { writer, totals } = writerOf(client, (timestampUs) => deliverable.push(timestampUs));
    while (totals.singles === 0) await writer.run(500, NEVER);
    expect(writer.ackedRecords).toBe(totals.records);
    expect(totals.records).toBe(totals.batches * 80 + totals.singles);
    expect(totals.bytes).toBe(totals.records * 1024);
    expect(totals.singles).toBeGreaterThan(0);
    expect(deliverable).toHaveLength(totals.singles);
    expect(seen).toHaveLength(totals.batches + totals.singles);
    expect(seen).toEqual(seen.toSorted((a, b) => (a < b ? -1 : 1)));
  });

  test('repeats a request after 503 and a cut connection, and then takes 409 for stored', async () => {
    const client = await serve((request, response, count) => {
      if (count === 1) response.writeHead(503, { 'x-reduct-error': 'full' }).end();
      else if (count === 2) response.destroy();
      else {
        const name = `x-reduct-error-${firstTimestamp(request)}`;
        response.writeHead(200, count === 3 ? { [name]: '409,exists' } : {}).end();
      }
    });
    const { writer, totals } = writerOf(client);
    await writer.run(1, NEVER);
    expect(totals).toMatchObject({ repeats: 2, batches: 1, records: 80 });
  });

  test.each<[string, Answer, RegExp]>([
    ['a refused request', (_, response) => response.writeHead(422).end(), /answered 422/],
    [
      'a record refused at the first attempt',
      (request, response) => {
        response.setHeader(`x-reduct-error-${firstTimestamp(request)}`, '409,exists').end();
      },
      /sensor-1: record 1700000000000000 was refused: exists/,
    ],
  ])('%s is a finding, not repeated', async (_name, answer, text) => {
    const { writer, totals } = writerOf(await serve(answer));
    await expect(writer.run(1, NEVER)).rejects.toThrow(text);
    expect(totals).toMatchObject({ records: 0, repeats: 0 });
  });

  test('an abort ends the waiting at once with its reason', async () => {
    const controller = new AbortController();
    const client = await serve((_, response, count) => {
      if (count === 3) controller.abort(new Error('enough'));
      response.writeHead(503).end();
    });
    await expect(writerOf(client).writer.run(60_000, controller.signal)).rejects.toThrow('enough');
  });
});
