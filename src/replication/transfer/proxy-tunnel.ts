/** Connections to targets with https through a proxy: a tunnel by CONNECT, and TLS inside it. */
import { Socket } from 'node:net';
import type { buildConnector, Pool } from 'undici';

/** Code of errors that only the proxy is to blame for. */
export const PROXY_REFUSED = 'ERR_PROXY_REFUSED';

class ProxyError extends Error {
  readonly code = PROXY_REFUSED;
}

/** Value of `proxy-authorization`; `null` when the URL of the proxy has no name. */
export function proxyAuthorization({ username, password }: URL): string | null {
  if (username === '') return null;
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(text).toString('base64')}`;
}

export interface Tunnels {
  readonly connect: buildConnector.connector;
  readonly close: () => Promise<void>;
}

/**
 * @param limitMs for the connection to the proxy, and for its answer.
 * @param connectTls makes the connection inside the tunnel.
 */
export function newTunnels(
  proxy: URL,
  limitMs: number,
  connectTls: buildConnector.connector,
): Tunnels {
  let pool: Promise<Pool> | undefined;
  const authorization = proxyAuthorization(proxy);
  const headers = authorization === null ? {} : { 'proxy-authorization': authorization };
  const open = async (target: buildConnector.Options): Promise<buildConnector.Options> => {
    const { hostname, port } = target;
    const path = `${hostname}:${port === '' ? '443' : port}`;
    pool ??= newPool(proxy, limitMs);
    const { statusCode, socket } = await (
      await pool
    ).connect({
      path,
      headers: { ...headers, host: path },
    });
    if (statusCode === 200 && socket instanceof Socket) return { ...target, httpSocket: socket };
    socket.on('error', () => undefined);
    socket.destroy();
    throw new ProxyError(`The proxy ${proxy.host} answered ${statusCode} to CONNECT ${path}`);
  };
  return {
    connect: (target, callback) => {
      open(target).then(
        (inside) => connectTls(inside, callback),
        (error: unknown) => callback(describe(error, proxy), null),
      );
    },
    close: async () => (await pool)?.close(),
  };
}

/** Few instances have a proxy: what only tunnels need is loaded with the first of them. */
async function newPool(proxy: URL, limitMs: number): Promise<Pool> {
  const undici = await import('undici');
  return new undici.Pool(proxy.origin, {
    connect: { timeout: limitMs },
    headersTimeout: limitMs,
    bodyTimeout: 0,
  });
}

/** undici tries again for ever after an error with the code of a broken socket: it takes it for one of its own. */
function describe(error: unknown, proxy: URL): Error {
  if (!(error instanceof Error)) return new ProxyError(String(error));
  const isBroken = Reflect.get(error, 'code') === 'UND_ERR_SOCKET';
  if (!isBroken) return error;
  return new ProxyError(`The proxy ${proxy.host} closed the connection`, { cause: error });
}
