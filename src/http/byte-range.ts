/** `Range: bytes=…` of one range (RFC 9110 §14, http-api-extras §1.2). */

/** Both inclusive. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * @param header value of `range`, empty when absent.
 * @returns undefined when the header is to be ignored: absent, malformed, another unit, or several ranges.
 */
export function parseByteRange(
  header: string,
  lengthBytes: number,
): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header);
  if (match === null) return undefined;
  const [, firstText = '', lastText = ''] = match;
  if (firstText === '') {
    if (lastText === '') return undefined;
    const wantedBytes = Math.min(Number(lastText), lengthBytes);
    if (wantedBytes === 0) return 'unsatisfiable';
    return { first: lengthBytes - wantedBytes, last: lengthBytes - 1 };
  }
  const first = Number(firstText);
  if (lastText !== '' && Number(lastText) < first) return undefined;
  if (first >= lengthBytes) return 'unsatisfiable';
  const last = lastText === '' ? lengthBytes - 1 : Math.min(Number(lastText), lengthBytes - 1);
  return { first, last };
}
