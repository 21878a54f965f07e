/** The way to a target below HTTP: name, connection, certificate. Each step has its own finding. */
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { TargetOptions } from '../transfer/target-client.ts';
import { NO_PROXY, proxyFor } from '../transfer/proxy.ts';
import { newSecureContext } from '../transfer/tls-material.ts';
import { classifyTransportError } from '../transport-error.ts';
import { ok, problem, skipped } from './findings.ts';
import type { Finding } from './types.ts';

/** Certificates that end sooner are worth a warning. */
const SOON_DAYS = 14;

const DAY_MS = 86_400_000;

/** How long a refusal behind the handshake is waited for. */
const LATE_REFUSAL_MS = 300;

/** @returns findings on `dns`, `connection` and `certificate`, in this order. */
export async function reach(url: URL, options: TargetOptions): Promise<readonly Finding[]> {
  const proxy = proxyFor(url, options.proxies ?? NO_PROXY);
  if (proxy !== null) return reachProxy(proxy, options);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isTls = url.protocol === 'https:';
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  const dns = await findAddress(host);
  if (dns.status === 'error') {
    return [dns, skipped('connection', 'no address'), skipped('certificate', 'no connection')];
  }
  const connection = await tryConnect(host, port, options.connectTimeoutMs);
  if (connection.status === 'error')
    return [dns, connection, skipped('certificate', 'no connection')];
  const certificate = isTls ? await readCertificate(host, port, options) : noCertificate(url);
  return [dns, connection, certificate];
}

/** What lies behind a proxy is the proxy's affair. */
async function reachProxy(proxy: URL, options: TargetOptions): Promise<readonly Finding[]> {
  const host = proxy.hostname.replace(/^\[|\]$/g, '');
  const port = proxy.port === '' ? (proxy.protocol === 'https:' ? 443 : 80) : Number(proxy.port);
  const dns = await findAddress(host);
  const connection =
    dns.status === 'error'
      ? skipped('connection', 'no address')
      : await tryConnect(host, port, options.connectTimeoutMs);
  const through = { ...connection, message: `proxy ${proxy.host}: ${connection.message}` };
  return [dns, through, skipped('certificate', 'seen by the requests behind the proxy only')];
}

async function findAddress(host: string): Promise<Finding> {
  if (isIP(host) !== 0) return ok('dns', `${host} is an address`, { addresses: [host] });
  try {
    const found = await lookup(host, { all: true });
    const addresses = found.map(({ address }) => address);
    return ok('dns', `${host} is ${addresses.join(', ')}`, { addresses });
  } catch (error) {
    const { message } = classifyTransportError(error);
    const hint = 'Check the host name in dst_host, and the name server of this machine.';
    return problem('dns', 'error', message, hint, { addresses: [] });
  }
}

async function tryConnect(host: string, port: number, limitMs: number): Promise<Finding> {
  const startMs = performance.now();
  const socket = connectTcp({ host, port });
  try {
    await opened(socket, 'connect', limitMs);
    const { remoteAddress, remotePort } = socket;
    const durationMs = rounded(performance.now() - startMs);
    const details = { address: remoteAddress, port: remotePort, duration_ms: durationMs };
    return ok('connection', `connected in ${durationMs} ms`, details);
  } catch (error) {
    const { message } = classifyTransportError(error);
    const hint =
      'Nobody answers at this address and port: is the server running, is the port right, does a firewall refuse?';
    return problem('connection', 'error', message, hint, { port });
  } finally {
    socket.destroy();
  }
}

function noCertificate({ hostname }: URL): Finding {
  const isNear = /^(localhost|127\.|\[::1\])/.test(hostname);
  if (isNear) return skipped('certificate', 'http on this machine');
  const hint =
    'Over http the token and all records can be read on the way; use https where the target has it.';
  return problem('certificate', 'warning', 'the connection is not encrypted', hint);
}

/** Shakes hands without demanding anything, so that a certificate that does not do can be shown. */
async function readCertificate(
  host: string,
  port: number,
  options: TargetOptions,
): Promise<Finding> {
  const { caPem, certPem = null, keyPem = null, verifyTls, connectTimeoutMs } = options;
  const secureContext = newSecureContext({ caPem, certPem, keyPem });
  const socket = connectTls({
    host,
    port,
    rejectUnauthorized: false,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(secureContext === undefined ? {} : { secureContext }),
  });
  try {
    await opened(socket, 'secureConnect', connectTimeoutMs);
    // TLS 1.3 demands the client's certificate behind the handshake; who sends nothing hears of it for sure.
    await notRefused(socket, certPem === null ? LATE_REFUSAL_MS : 0);
    return describeCertificate(socket, verifyTls);
  } catch (error) {
    const { message } = classifyTransportError(error);
    const hint = /certificate required|handshake failure|bad certificate|behind the handshake/.test(
      message,
    )
      ? 'The target demands another client certificate: MILLRACE_REPLICATION_CERT_PATH and MILLRACE_REPLICATION_KEY_PATH.'
      : 'The port does not speak TLS as this server does; is it http?';
    return problem('certificate', 'error', message, hint);
  } finally {
    socket.destroy();
  }
}

function describeCertificate(socket: TLSSocket, verifyTls: boolean): Finding {
  const { subject, issuer, valid_from: from, valid_to: to } = socket.getPeerCertificate();
  const endMs = Date.parse(to);
  const daysLeft = Math.floor((endMs - Date.now()) / DAY_MS);
  const details = {
    subject: nameOf(subject),
    issuer: nameOf(issuer),
    valid_from: new Date(from).toISOString(),
    valid_to: new Date(to).toISOString(),
    days_left: daysLeft,
    protocol: socket.getProtocol(),
    is_verified: socket.authorized,
  };
  // Declared as an error, it is the code of one.
  const reason = socket.authorized ? '' : String(socket.authorizationError);
  if (reason !== '' && verifyTls) {
    const hint =
      'Name the certificate of its authority in RS_REPLICATION_CA_PATH, or use the host name that the certificate is for.';
    return problem('certificate', 'error', `the certificate does not do: ${reason}`, hint, details);
  }
  if (reason !== '') {
    const text = `the certificate does not do (${reason}), and is not checked`;
    const hint =
      'RS_REPLICATION_VERIFY_SSL is false: anybody on the way can pretend to be the target.';
    return problem('certificate', 'warning', text, hint, details);
  }
  if (daysLeft < SOON_DAYS) {
    const hint = 'Tasks stop when it ends; have it renewed.';
    return problem(
      'certificate',
      'warning',
      `the certificate ends in ${daysLeft} days`,
      hint,
      details,
    );
  }
  return ok('certificate', `valid for ${daysLeft} more days`, details);
}

function nameOf(name: object): string {
  return Object.entries(name)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(', ');
}

/** Resolves after this time; rejects with what ends the connection before. */
function notRefused(socket: Socket, limitMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, limitMs);
    const refuse = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once('error', refuse);
    socket.once('close', () => refuse(new Error('the connection was closed behind the handshake')));
    socket.resume();
  });
}

/** Resolves with the event; rejects with the socket's error, or when the time is over. */
function opened(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  limitMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.setTimeout(limitMs, () => {
      const error = new Error(`no answer within ${limitMs} ms`);
      error.name = 'TimeoutError';
      reject(error);
    });
    socket.once(event, () => resolve());
    // Errors after the first outcome have nobody to tell: the socket is being destroyed.
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
  });
}

export function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
