import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Agent, request } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { UnavailableError } from '../../src/errors/errors.ts';
import { classifyTransportError } from '../../src/replication/transport-error.ts';

function errorWith(message: string, members: object): Error {
  return Object.assign(new Error(message), members);
}

describe('real failures on loopback', () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });

  /** A target that does `onData` with the first bytes it gets; returns its port. */
  async function listen(onData: (socket: Socket) => void): Promise<number> {
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => socket.destroy());
      socket.once('data', () => onData(socket));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  async function failureOf(url: string, options: object = {}): Promise<unknown> {
    const dispatcher = new Agent({ connect: { timeout: 5_000 } });
    try {
      const answer = await request(url, { dispatcher, ...options });
      // Not dump(), which takes a body that was cut for a complete one.
      await answer.body.text();
    } catch (error) {
      return error;
    } finally {
      await dispatcher.destroy();
    }
    throw new Error('the request did not fail');
  }

  test('a refused connection is unreachable and says where', async () => {
    const port = await listen(() => {});
    await new Promise((resolve) => servers.splice(0)[0]?.close(resolve));
    expect(classifyTransportError(await failureOf(`http://127.0.0.1:${port}/`))).toEqual({
      key: -3,
      kind: 'unreachable',
      message: `ECONNREFUSED 127.0.0.1:${port}`,
    });
  });

  test('a reset while sending is lost', async () => {
    const port = await listen((socket) => socket.resetAndDestroy());
    const body = Buffer.alloc(4_000_000);
    const error = await failureOf(`http://127.0.0.1:${port}/`, { method: 'POST', body });
    expect(classifyTransportError(error)).toMatchObject({ key: -6, kind: 'lost' });
  });

  test('a connection closed without an answer is lost', async () => {
    const port = await listen((socket) => socket.end());
    expect(classifyTransportError(await failureOf(`http://127.0.0.1:${port}/`))).toEqual({
      key: -6,
      kind: 'lost',
      message: 'UND_ERR_SOCKET: other side closed',
    });
  });

  test('an answer that stops in the middle is lost', async () => {
    const port = await listen((socket) =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc'),
    );
    const error = await failureOf(`http://127.0.0.1:${port}/`);
    expect(classifyTransportError(error)).toMatchObject({ key: -6, kind: 'lost' });
  });

  test('no answer in time is a timeout', async () => {
    const port = await listen(() => {});
    const byUndici = await failureOf(`http://127.0.0.1:${port}/`, { headersTimeout: 50 });
    expect(classifyTransportError(byUndici)).toMatchObject({ key: -2, kind: 'lost' });
    const signal = AbortSignal.timeout(50);
    const bySignal = await failureOf(`http://127.0.0.1:${port}/`, { signal });
    expect(classifyTransportError(bySignal)).toMatchObject({ key: -2, kind: 'lost' });
  });

  test('an abort of our own is an interruption', async () => {
    const port = await listen(() => {});
    const error = await failureOf(`http://127.0.0.1:${port}/`, { signal: AbortSignal.abort() });
    expect(classifyTransportError(error)).toMatchObject({ key: -5, kind: 'lost' });
  });

  test('something that is not HTTP is unknown and asks for rest', async () => {
    const port = await listen((socket) => socket.end('SSH-2.0-x\r\n\r\n'));
    const error = await failureOf(`http://127.0.0.1:${port}/`);
    expect(classifyTransportError(error)).toMatchObject({ key: -1, kind: 'refused' });
  });

  test('a target without TLS behind https is no connection, and asks for rest', async () => {
    const port = await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const failure = classifyTransportError(await failureOf(`https://127.0.0.1:${port}/`));
    expect(failure).toMatchObject({ key: -3, kind: 'refused' });
    expect(failure.message).toMatch(/^TLS: wrong version number$/);
  });

  test('a connection cut before TLS is up is no connection', async () => {
    const port = await listen((socket) => socket.end());
    const error = await failureOf(`https://127.0.0.1:${port}/`);
    expect(classifyTransportError(error)).toMatchObject({ key: -3, kind: 'refused' });
  });
});

describe('errors of Node.js and undici', () => {
  test.each([
    ['EHOSTUNREACH', -3, 'unreachable'],
    ['ENETUNREACH', -3, 'unreachable'],
    ['EAI_AGAIN', -3, 'unreachable'],
    ['UND_ERR_CONNECT_TIMEOUT', -3, 'unreachable'],
    ['ENOTFOUND', -3, 'refused'],
    ['CERT_HAS_EXPIRED', -3, 'refused'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', -3, 'refused'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', -3, 'refused'],
    ['UND_ERR_BODY_TIMEOUT', -2, 'lost'],
    ['EPIPE', -6, 'lost'],
    ['UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', -1, 'refused'],
    ['UND_ERR_HEADERS_OVERFLOW', -1, 'refused'],
    ['EMFILE', -1, 'refused'],
  ])('%s is %i, %s', (code, key, kind) => {
    expect(classifyTransportError(errorWith('x', { code }))).toMatchObject({ key, kind });
  });

  test('ETIMEDOUT tells a target that is not there from one that went silent', () => {
    const connecting = errorWith('connect ETIMEDOUT', { code: 'ETIMEDOUT', syscall: 'connect' });
    expect(classifyTransportError(connecting)).toMatchObject({ key: -3, kind: 'unreachable' });
    const reading = errorWith('read ETIMEDOUT', { code: 'ETIMEDOUT', syscall: 'read' });
    expect(classifyTransportError(reading)).toMatchObject({ key: -2, kind: 'lost' });
  });

  test('what failed is found inside wrappers', () => {
    const inner = errorWith('connect ECONNREFUSED ::1:8383', {
      code: 'ECONNREFUSED',
      address: '::1',
      port: 8383,
    });
    const both = Object.assign(new AggregateError([inner], ''), { code: 'ECONNREFUSED' });
    const wrapped = new TypeError('fetch failed', { cause: both });
    expect(classifyTransportError(wrapped)).toEqual({
      key: -3,
      kind: 'unreachable',
      message: 'ECONNREFUSED [::1]:8383',
    });
  });

  test('a cause that refers to itself ends', () => {
    const error = new Error('round');
    error.cause = error;
    expect(classifyTransportError(error)).toMatchObject({ key: -1, message: 'Error: round' });
  });
});

describe('messages', () => {
  test('of names and certificates are for people', () => {
    const name = errorWith('getaddrinfo ENOTFOUND nowhere', {
      code: 'ENOTFOUND',
      hostname: 'nowhere',
    });
    expect(classifyTransportError(name).message).toBe('ENOTFOUND nowhere');
    const expired = errorWith('certificate has expired', { code: 'CERT_HAS_EXPIRED' });
    expect(classifyTransportError(expired).message).toBe('certificate has expired');
  });

  test('are one line without credentials', () => {
    const error = new Error('no\nhttp://user:hush@h/x with authorization: Bearer hush-hush');
    const { message } = classifyTransportError(error);
    expect(message).toBe('Error: no http://h/x with authorization: Bearer ***');
    expect(classifyTransportError(new Error('y'.repeat(9_999))).message).toHaveLength(256);
  });

  test('of errors of our own stay', () => {
    expect(classifyTransportError(new UnavailableError('unreadable header'))).toEqual({
      key: -1,
      kind: 'refused',
      message: 'UNAVAILABLE: unreadable header',
    });
  });

  test('of things that are no errors are Unknown', () => {
    expect(classifyTransportError('secret').message).toBe('Unknown');
    expect(classifyTransportError(undefined)).toMatchObject({ key: -1, message: 'Unknown' });
  });
});
