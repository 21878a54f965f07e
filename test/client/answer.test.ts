import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { Dispatcher } from 'undici';
import { expect, test } from 'vitest';
import { Answer } from '../../src/client/answer.ts';
import { InstanceClient } from '../../src/client/instance-client.ts';
import { RequestGroup } from '../../src/replication/transfer/exchange.ts';

/** A server that answers every request with these bytes. */
async function withAnswer(
  bytes: string,
  use: (client: InstanceClient) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => socket.write(bytes));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const endpoint = { url, token: null, caPem: null, verifyTls: true, timeoutMs: 5_000 };
  const client = new InstanceClient(endpoint);
  try {
    await use(client);
  } finally {
    await client.http.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

test('an answer 204 that announces a body it does not have is an end, as ReductStore sends it', async () => {
  const head =
    'HTTP/1.1 204 No Content\r\ncontent-length: 10\r\nx-reduct-error: No content\r\n\r\n';
  await withAnswer(head, async (client) => {
    const answer = await client.open('GET', 'b/x/y/batch?q=1');
    await answer.discard();
    expect(answer.status).toBe(204);
  });
});

test('a body that ends early is an error of whoever reads it', async () => {
  const head =
    'HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
  await withAnswer(head, async (client) => {
    const answer = await client.open('GET', 'b/x/y?ts=1');
    await expect(answer.take(10)).rejects.toThrow('ended 7 bytes before');
  });
});

test('what answers with something else than the API is named as such', async () => {
  await withAnswer('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi', async (client) => {
    await expect(client.bucketNames()).rejects.toThrow('none of a ReductStore or Millrace server');
  });
});

test('pieces of no bytes between those of a body stop nobody who reads it', async () => {
  const answer = new Answer(
    new RequestGroup(),
    () => undefined,
    (error) => {
      throw error;
    },
  );
  const controller = { pause: () => undefined } as Dispatcher.DispatchController;
  answer.onResponseStart(controller, 200, {});
  for (const piece of ['', 'abc', '', 'def', '', 'gh']) {
    answer.onResponseData(controller, Buffer.from(piece));
  }
  answer.onResponseEnd();
  const pieces: string[] = [];
  for await (const piece of answer.stream(4)) pieces.push(piece.toString());
  expect(pieces).toEqual(['abc', 'd']);
  await answer.skipTo(6);
  expect((await answer.take(2)).toString()).toBe('gh');
});
