/**
 * Record headers on their way around undici's checks. For each header of each request undici looks its name up twice, lower
 * cases it and matches name and value against what headers may be: 1.4 µs a record, a quarter of all that sending costs.
 * Ours are checked and encoded once for all tasks, as one text.
 *
 * `undici:request:create` is the documented place where a subscriber may add headers; `addHeader` there has the same checks,
 * so the text goes into the list itself. undici is pinned to one version, and a test reads the bytes of such a request.
 */
import { subscribe } from 'node:diagnostics_channel';
import { BugError } from '../../errors/errors.ts';
import type { RecordHeaders } from '../scan/record-headers.ts';

/** What of undici's request is used. */
interface CreatedRequest {
  readonly headers: string[];
}

/** Of the request that is being created right now. */
let waiting: RecordHeaders | null = null;

subscribe('undici:request:create', (message) => {
  if (waiting === null) return;
  // The message is that of the pinned version; `waiting` is set only around a dispatch of ours.
  const { headers } = (message as { readonly request: CreatedRequest }).request;
  headers.push(waiting.headerName, waiting.headerValue);
  waiting = null;
});

/**
 * Adds record headers to the request that `dispatch` creates, which it must do before it returns.
 * @throws BugError when it did not: the records would go out without their headers.
 */
export function withRecordHeaders(headers: RecordHeaders | null, dispatch: () => void): void {
  waiting = headers;
  let isLeft = false;
  try {
    dispatch();
  } finally {
    isLeft = waiting !== null;
    waiting = null;
  }
  if (isLeft) throw new BugError('undici created no request within dispatch');
}
