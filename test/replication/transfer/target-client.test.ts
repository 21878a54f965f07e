import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RequestGroup } from '../../../src/replication/transfer/exchange.ts';
import {
  type HttpRequest,
  TargetClient,
  type TargetOptions,
} from '../../../src/replication/transfer/target-client.ts';

const OPTIONS: TargetOptions = {
  connectTimeoutMs: 30_000,
  noProgressTimeoutMs: 1_500,
  caPem: null,
  verifyTls: true,
};

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';

let server: Server;
let url: URL;
let onSocket: (socket: Socket) => void;
let client: TargetClient;

beforeEach(async () => {
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/base/`);
  client = new TargetClient(url, 'secret', OPTIONS);
});

afterEach(async () => {
  await client.close();
  server.close();
});

function batch(): HttpRequest {
  return {
    method: 'POST',
    path: 'b/dst/e/batch',
    headers: ['content-type', 'application/octet-stream', 'content-length', '5'],
    recordHeaders: {
      headerName: 'x-reduct-time-1',
      headerValue: '2,,a=b\r\nx-reduct-time-20: 3,text/plain',
    },
    body: Buffer.from('hello'),
  };
}

describe('a batch on the wire', () => {
  test('is these bytes: record headers go around the checks of the HTTP client', async () => {
    const seen = new Promise<string>((resolve) => {
      onSocket = (socket) => {
        let text = '';
        socket.on('data', (bytes) => {
          text += bytes.toString('latin1');
          if (!text.endsWith('hello')) return;
          socket.write(ANSWER);
          resolve(text);
        });
      };
    });
    const answer = await client.request(batch(), new RequestGroup());
    expect(answer.status).toBe(200);
    expect(await seen).toBe(
      [
        'POST /base/api/v1/b/dst/e/batch HTTP/1.1',
        `host: ${url.host}`,
        'connection: keep-alive',
        'authorization: Bearer secret',
        'content-type: application/octet-stream',
        'x-reduct-time-1: 2,,a=b',
        'x-reduct-time-20: 3,text/plain',
        'content-length: 5',
        '',
        'hello',
      ].join('\r\n'),
    );
  });

  test('requests without record headers get none of another one', async () => {
    const texts: string[] = [];
    onSocket = (socket) => {
      socket.on('data', (bytes) => {
        texts.push(bytes.toString('latin1'));
        if (/hello$|^GET[^]*\r\n\r\n$/.test(texts.join(''))) socket.write(ANSWER);
      });
    };
    await client.request(batch(), new RequestGroup());
    texts.length = 0;
    const check = { method: 'GET', path: 'b/dst', headers: [], recordHeaders: null, body: null };
    await client.request({ ...check, method: 'GET' }, new RequestGroup());
    expect(texts.join('')).not.toContain('x-reduct-time');
  });
});

describe('a target', () => {
  test('that takes the bytes slowly but steadily is not given up', async () => {
    // The last megabytes lie in buffers of the kernel, where nobody sees them move.
    const body = Buffer.alloc(40_000_000, 1);
    let received = 0;
    onSocket = (socket) => {
      socket.on('data', (bytes) => {
        received += bytes.length;
        socket.pause();
        setTimeout(() => socket.resume(), 4);
        if (received > body.length) socket.write(ANSWER);
      });
    };
    const headers = ['content-length', `${body.length}`];
    const startMs = performance.now();
    const answer = await client.request({ ...batch(), headers, body }, new RequestGroup());
    expect(answer.status).toBe(200);
    expect(performance.now() - startMs).toBeGreaterThan(OPTIONS.noProgressTimeoutMs);
  });

  test('that stops taking bytes is given up', async () => {
    onSocket = (socket) => socket.pause();
    const body = Buffer.alloc(20_000_000, 1);
    const headers = ['content-length', `${body.length}`];
    const request = client.request({ ...batch(), headers, body }, new RequestGroup());
    await expect(request).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  test('whose answer has a head but not its whole body has answered', async () => {
    onSocket = (socket) => {
      socket.on('data', () => {
        socket.write(
          'HTTP/1.1 200 OK\r\nx-reduct-error-1: 409,there\r\ncontent-length: 10\r\n\r\nhal',
        );
        setTimeout(() => socket.destroy(), 5);
      });
    };
    const answer = await client.request(batch(), new RequestGroup());
    expect(answer.headers['x-reduct-error-1']).toBe('409,there');
  });
});

test('an aborted group rejects at once, whether the connection is there or not', async () => {
  onSocket = () => undefined;
  const group = new RequestGroup();
  const requests = [client.request(batch(), group), client.request(batch(), group)];
  group.abort(new Error('enough'));
  const results = await Promise.allSettled(requests);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});
