/**
 * The error tree. Three kinds, kept apart:
 *
 * - the caller's fault (`ApiError` with a 4xx status): never retried, answered as it is;
 * - the world's (`UnavailableError`, `StorageFullError`, `ApiError` with 5xx): retryable, with a hint where an
 *   operator can act;
 * - ours (`BugError`): a broken invariant; the message starts with `BUG:` and prints the values.
 *
 * Between threads errors travel as `ErrorData`: class and fields do not survive structured cloning.
 */

/** Every `code` an error of this project can carry. A test walks the classes against this list. */
export const ERROR_CODES = [
  'API',
  'CONFIG',
  'STORE_LOCKED',
  'STORE_FORMAT',
  'STORAGE_FULL',
  'UNAVAILABLE',
  'NATIVE_MODULE',
  'BUG',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface ErrorOptions {
  readonly cause?: unknown;
  /** What an operator should do next, in one sentence. */
  readonly hint?: string;
  /** Whole seconds for `retry-after`, where they are known. */
  readonly retryAfterS?: number;
}

/** An error in the form that crosses threads. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly status: number;
  readonly message: string;
  readonly retryable: boolean;
  readonly hint: string | undefined;
}

/** Base of all errors thrown on purpose. `status` is the HTTP status a client would see. */
export abstract class MillraceError extends Error {
  abstract readonly code: ErrorCode;
  readonly status: number;
  readonly retryable: boolean;
  readonly hint: string | undefined;
  readonly retryAfterS: number | undefined;

  constructor(message: string, status: number, retryable: boolean, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.retryable = retryable;
    this.hint = options.hint;
    this.retryAfterS = options.retryAfterS;
    this.name = new.target.name;
  }
}

/** An answer of the HTTP API that is not a success; `message` is the exact text of the contract. */
export class ApiError extends MillraceError {
  readonly code = 'API';
  constructor(status: number, message: string, options: ErrorOptions = {}) {
    super(message, status, status >= 500 || status === 429 || status === 425, options);
  }
}

/** A configuration that cannot work. The start stops; `hint` names the variable to change. */
export class ConfigError extends MillraceError {
  readonly code = 'CONFIG';
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 500, false, options);
  }
}

/** Another process holds the data folder. */
export class StoreLockedError extends MillraceError {
  readonly code = 'STORE_LOCKED';
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 503, false, options);
  }
}

/** The data folder was written by an incompatible version, or a stored value cannot be decoded. */
export class StoreFormatError extends MillraceError {
  readonly code = 'STORE_FORMAT';
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 500, false, options);
  }
}

/** The disk (or its quota) is full: the write did not happen; it works again after space was freed. */
export class StorageFullError extends MillraceError {
  readonly code = 'STORAGE_FULL';
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 507, true, options);
  }
}

/** A bound (memory, queue, shutdown) refuses the work for now. Answered with 503 and `retry-after`. */
export class UnavailableError extends MillraceError {
  readonly code = 'UNAVAILABLE';
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 503, true, options);
  }
}

/** A native module does not load on this Node.js or C library version. */
export class NativeModuleError extends MillraceError {
  readonly code = 'NATIVE_MODULE';
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, 500, false, options);
  }
}

/** A broken invariant of our own. */
export class BugError extends MillraceError {
  readonly code = 'BUG';
  constructor(message: string, options: ErrorOptions = {}) {
    super(`BUG: ${message}`, 500, false, options);
  }
}

/** Turns anything thrown into the plain form that survives a thread boundary. */
export function toErrorData(error: unknown): ErrorData {
  if (error instanceof MillraceError) {
    const { code, status, message, retryable, hint } = error;
    return { code, status, message, retryable, hint };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'BUG', status: 500, message, retryable: false, hint: undefined };
}

/** Rebuilds an error that crossed a thread as `ErrorData`; API answers keep status and text. */
export function fromErrorData(data: ErrorData): MillraceError {
  switch (data.code) {
    case 'API':
      return new ApiError(data.status, data.message);
    case 'CONFIG':
      return new ConfigError(data.message);
    case 'STORE_LOCKED':
      return new StoreLockedError(data.message);
    case 'STORE_FORMAT':
      return new StoreFormatError(data.message);
    case 'STORAGE_FULL':
      return new StorageFullError(data.message);
    case 'UNAVAILABLE':
      return new UnavailableError(data.message);
    case 'NATIVE_MODULE':
      return new NativeModuleError(data.message);
    case 'BUG':
      return new BugError(data.message.replace(/^BUG: /, ''));
  }
}
