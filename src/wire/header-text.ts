/** Which texts may stand in header values, and what becomes of the others (http-api §1.4, replication §5.6). */

const NOT_PRINTABLE = /[^\t\x20-\x7e]/;
const NOT_PRINTABLE_ALL = /[^\t\x20-\x7e]/g;
const CONTROL_CHARACTER = /[^\t\x20-\x7e\x80-\uffff]/;
const HEADER_TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;

/** True for printable ASCII and tab, the only characters a request header value may hold. */
export function isPrintableAscii(text: string): boolean {
  return !NOT_PRINTABLE.test(text);
}

/** True when the text can be the name of a header. */
export function isHeaderToken(text: string): boolean {
  return HEADER_TOKEN.test(text);
}

/**
 * An error text for `x-reduct-error`: control characters make it `Unparsable message`; characters beyond ASCII become
 * `?`, because clients differ in how they read them and one of them fails on raw UTF-8.
 */
export function errorHeaderText(message: string): string {
  if (CONTROL_CHARACTER.test(message)) return 'Unparsable message';
  return printableText(message);
}

/** The text with everything that is not printable ASCII replaced by `?`; never breaks a header line. */
export function printableText(text: string): string {
  return NOT_PRINTABLE.test(text) ? text.replace(NOT_PRINTABLE_ALL, '?') : text;
}
