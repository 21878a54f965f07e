/** What a failed request means when there was no usable answer (spec §5.7, §6.2). */
import type { FailureKind } from './backoff.ts';

/** Keys of spec §6.2 which stand for "no answer": unknown, timeout, cannot connect, interrupted, broken off. */
export type TransportKey = -1 | -2 | -3 | -5 | -6;

export interface TransportFailure {
  readonly key: TransportKey;
  readonly kind: FailureKind;
  /** One line without secrets: `ECONNREFUSED 10.0.0.5:8383`, `certificate has expired`. */
  readonly message: string;
}

interface Class {
  readonly key: TransportKey;
  readonly kind: FailureKind;
}

const UNREACHABLE: Class = { key: -3, kind: 'unreachable' };
const NOT_TRUSTED: Class = { key: -3, kind: 'refused' };
const TIMEOUT: Class = { key: -2, kind: 'lost' };
const INTERRUPTED: Class = { key: -5, kind: 'lost' };
const BROKEN_OFF: Class = { key: -6, kind: 'lost' };
const UNKNOWN: Class = { key: -1, kind: 'refused' };

const CLASS_BY_CODE: ReadonlyMap<string, Class> = new Map([
  ['ECONNREFUSED', UNREACHABLE],
  ['EHOSTUNREACH', UNREACHABLE],
  ['EHOSTDOWN', UNREACHABLE],
  ['ENETUNREACH', UNREACHABLE],
  ['ENETDOWN', UNREACHABLE],
  ['EADDRNOTAVAIL', UNREACHABLE],
  ['UND_ERR_CONNECT_TIMEOUT', UNREACHABLE],
  // The resolver did not answer: what a lost uplink looks like. A name it denies is rather a mistake in the URL.
  ['EAI_AGAIN', UNREACHABLE],
  ['ENOTFOUND', { key: -3, kind: 'refused' }],
  ['EAI_FAIL', { key: -3, kind: 'refused' }],
  ['ERR_PROXY_REFUSED', NOT_TRUSTED],
  ['EPROTO', NOT_TRUSTED],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', NOT_TRUSTED],
  ['SELF_SIGNED_CERT_IN_CHAIN', NOT_TRUSTED],
  ['HOSTNAME_MISMATCH', NOT_TRUSTED],
  ['INVALID_CA', NOT_TRUSTED],
  ['INVALID_PURPOSE', NOT_TRUSTED],
  ['UND_ERR_HEADERS_TIMEOUT', TIMEOUT],
  ['UND_ERR_BODY_TIMEOUT', TIMEOUT],
  ['UND_ERR_ABORTED', INTERRUPTED],
  ['UND_ERR_DESTROYED', INTERRUPTED],
  ['UND_ERR_CLOSED', INTERRUPTED],
  ['UND_ERR_SOCKET', BROKEN_OFF],
  ['ECONNRESET', BROKEN_OFF],
  ['ECONNABORTED', BROKEN_OFF],
  ['EPIPE', BROKEN_OFF],
]);

/** Families of codes that Node.js and OpenSSL give to TLS failures. */
const TLS_CODE = /^(ERR_SSL_|ERR_TLS_|CERT_|CRL_|UNABLE_TO_|ERROR_IN_CERT_|ERROR_IN_CRL_)/;

/** Connections cut by the other side before TLS was up have the code of a reset, and only this text. */
const CUT_BEFORE_TLS = 'Client network socket disconnected before secure TLS connection';

/** Depth of `cause` and of the first of `errors` that is looked into. */
const MAX_NESTING = 5;
const MAX_MESSAGE_CHARS = 256;

/** Classifies anything that undici, Node.js or the sender itself threw during a request. Never throws. */
export function classifyTransportError(error: unknown): TransportFailure {
  const found = findClassified(error);
  if (found === null) return { ...UNKNOWN, message: unknownMessage(error) };
  return { ...found.class, message: describe(found.error, found.class) };
}

interface Found {
  readonly error: Error;
  readonly class: Class;
}

/** The outermost error that can be classified; wrappers (`fetch failed`, `AggregateError`) may carry it inside. */
function findClassified(error: unknown, nesting = 0): Found | null {
  if (!(error instanceof Error) || nesting > MAX_NESTING) return null;
  const own = classOf(error);
  // A wrapper's code is right, but only what it wraps knows the address.
  if (own !== null && !(error instanceof AggregateError)) return { error, class: own };
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error.cause;
  return findClassified(inner, nesting + 1) ?? (own === null ? null : { error, class: own });
}

function classOf(error: Error): Class | null {
  if (error.name === 'TimeoutError') return TIMEOUT;
  if (error.name === 'AbortError') return INTERRUPTED;
  const code = textOf(error, 'code');
  if (code === 'ECONNRESET' && error.message.startsWith(CUT_BEFORE_TLS)) return NOT_TRUSTED;
  // The kernel gave up: before the connection there is no target, afterwards a silent one.
  if (code === 'ETIMEDOUT') return textOf(error, 'syscall') === 'connect' ? UNREACHABLE : TIMEOUT;
  return CLASS_BY_CODE.get(code) ?? (TLS_CODE.test(code) ? NOT_TRUSTED : null);
}

function describe(error: Error, { key, kind }: Class): string {
  const code = textOf(error, 'code');
  const host = textOf(error, 'address') || textOf(error, 'hostname');
  if (host !== '') {
    const port = textOf(error, 'port');
    const shownHost = host.includes(':') ? `[${host}]` : host;
    return oneLine(`${code} ${shownHost}${port === '' ? '' : `:${port}`}`);
  }
  // OpenSSL's message starts with a thread id and ends with its source file; its reason is for people.
  const reason = textOf(error, 'reason');
  if (reason !== '') return oneLine(`TLS: ${reason}`);
  const isCertificate = key === -3 && kind === 'refused';
  const speaksForItself = isCertificate || error.message.includes(code) || code === '';
  return oneLine(speaksForItself ? error.message : `${code}: ${error.message}`);
}

function unknownMessage(error: unknown): string {
  if (!(error instanceof Error)) return 'Unknown';
  const code = textOf(error, 'code');
  return oneLine(`${code || error.name}: ${error.message}`);
}

/** Members of system errors; numbers (ports, codes of DOM exceptions) as text, others and absent ones as `''`. */
function textOf(error: Error, member: string): string {
  const value: unknown = Reflect.get(error, member);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** Texts of unknown errors may quote a URL with credentials or a header. */
function oneLine(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/\/\/[^/\s@]*@/g, '//')
    .replace(/\bBearer \S+/gi, 'Bearer ***')
    .trim()
    .slice(0, MAX_MESSAGE_CHARS);
}
