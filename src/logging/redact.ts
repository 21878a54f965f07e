/** Keeps secrets and payloads out of the log, whatever a caller hands over. Pure. */

export type LogFields = Readonly<Record<string, unknown>>;

const SECRET_TEXT = '***';

/** Deeper values are not shown: no field of ours is nested that deeply, and it ends circular ones. */
const MAX_DEPTH = 5;

/** Names whose values are secrets, in lower case without `-` and `_`. */
const SECRET_NAMES: ReadonlySet<string> = new Set([
  'authorization',
  'proxyauthorization',
  'cookie',
  'setcookie',
  'token',
  'apitoken',
  'rsapitoken',
  'dsttoken',
  'bearertoken',
  'password',
  'secret',
]);

const BEARER = /\bBearer\s+[^\s"',;]+/gi;

/** User and password in a URL. */
const URL_CREDENTIALS = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@?#]+@/gi;

/** `text` without bearer tokens and without credentials in URLs. */
export function redactText(text: string): string {
  return text
    .replace(BEARER, `Bearer ${SECRET_TEXT}`)
    .replace(URL_CREDENTIALS, `$1${SECRET_TEXT}@`);
}

// oxlint-disable-next-line no-control-regex -- control characters are what is replaced
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f]/g;

/** `redactText` of a message: it stays one line, and what a client sent cannot steer the terminal. */
export function redactMessage(text: string): string {
  return redactText(text).replace(CONTROL_CHARACTERS, '\ufffd');
}

/**
 * A copy that is safe to log: values of secret names become `***`, bytes become their length, bigints text, errors
 * plain data with their causes. The argument is not changed.
 */
export function redactFields(fields: LogFields): Record<string, unknown> {
  return redactRecord(fields, MAX_DEPTH);
}

function redactRecord(fields: object, depth: number): Record<string, unknown> {
  const safe: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    const isSecret = SECRET_NAMES.has(name.toLowerCase().replaceAll(/[-_]/g, ''));
    safe[name] = isSecret && value !== undefined ? SECRET_TEXT : redactValue(value, depth);
  }
  return safe;
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    return `[${value.byteLength} bytes]`;
  if (value instanceof SharedArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return value;
  if (depth === 0) return '[…]';
  if (value instanceof Error) return errorFields(value, depth - 1);
  if (Array.isArray(value)) return value.map((item: unknown) => redactValue(item, depth - 1));
  return redactRecord(value, depth - 1);
}

/** Own fields such as `code`, `status` and `hint` first, then what every error has. */
function errorFields(error: Error, depth: number): Record<string, unknown> {
  return {
    ...redactRecord(error, depth),
    type: error.name,
    message: redactText(error.message),
    stack: error.stack === undefined ? undefined : redactText(error.stack),
    cause: error.cause === undefined ? undefined : redactValue(error.cause, depth),
  };
}
