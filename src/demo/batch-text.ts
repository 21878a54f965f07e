import { CONTENT_TYPE, PAYLOAD_BYTES, type Labels, type StoredRecord } from './plan.ts';
import type { SensorSource } from './sensor-source.ts';

/**
 * The text form of batch protocol v1 (records contract §3.1, §4), as a client sees it. Written for the demo and not
 * shared with the server, so that an error in the server's codec cannot hide behind its own mirror image.
 */
const TIME_PREFIX = 'x-reduct-time-';
const ERROR_PREFIX = 'x-reduct-error-';

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** A record that a batch write did not store. */
export interface RecordError {
  readonly timestampUs: bigint;
  readonly status: number;
  readonly text: string;
}

/** One header line per record. The demo's labels contain nothing that would need quoting. */
export function batchHeaders(
  source: SensorSource,
  firstIndex: number,
  count: number,
): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let index = firstIndex; index < firstIndex + count; index++) {
    let value = `${PAYLOAD_BYTES},${CONTENT_TYPE}`;
    for (const [name, label] of Object.entries(source.labels(index))) value += `,${name}=${label}`;
    headers[`${TIME_PREFIX}${source.timestampUs(index)}`] = value;
  }
  return headers;
}

/**
 * Records of a batch read, in ascending time; payloads are views of `body`.
 *
 * @throws Error when headers and body do not fit together
 */
export function parseBatch(headers: ResponseHeaders, body: Buffer): StoredRecord[] {
  const lines = timestampedHeaders(headers, TIME_PREFIX);
  lines.sort((a, b) => (a.timestampUs < b.timestampUs ? -1 : 1));
  let offset = 0;
  const records = lines.map(({ timestampUs, value }) => {
    const { sizeBytes, contentType, labels } = parseRecordHeader(value);
    const payload = body.subarray(offset, offset + sizeBytes);
    offset += sizeBytes;
    return { timestampUs, contentType, labels, payload };
  });
  if (offset !== body.length) {
    throw new Error(`batch headers announce ${offset} bytes, the body has ${body.length}`);
  }
  return records;
}

/** The `x-reduct-error-<ts>: <status>,<text>` headers of a batch write's answer. */
export function parseRecordErrors(headers: ResponseHeaders): RecordError[] {
  return timestampedHeaders(headers, ERROR_PREFIX).map(({ timestampUs, value }) => {
    const comma = value.indexOf(',');
    return { timestampUs, status: Number(value.slice(0, comma)), text: value.slice(comma + 1) };
  });
}

function timestampedHeaders(
  headers: ResponseHeaders,
  prefix: string,
): { timestampUs: bigint; value: string }[] {
  const found: { timestampUs: bigint; value: string }[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(prefix)) continue;
    if (typeof value !== 'string') throw new Error(`header ${name} is repeated`);
    found.push({ timestampUs: BigInt(name.slice(prefix.length)), value });
  }
  return found;
}

function parseRecordHeader(value: string): {
  sizeBytes: number;
  contentType: string;
  labels: Labels;
} {
  const [size = '', contentType = ''] = value.split(',', 2);
  const sizeBytes = Number(size);
  if (!/^\d+$/.test(size)) throw new Error(`record header '${value}' has no length`);
  return {
    sizeBytes,
    contentType,
    labels: parseLabels(value, size.length + 1 + contentType.length),
  };
}

/** A label list from the comma at `offset` on: `,name=value` with the value in quotes iff it contains a comma. */
function parseLabels(text: string, offset: number): Labels {
  const labels: Record<string, string> = {};
  const pattern = /,([^=]+)=(?:"([^"]*)"|([^,]*))/y;
  pattern.lastIndex = offset;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    labels[(match[1] ?? '').trim()] = match[2] ?? match[3] ?? '';
  }
  return labels;
}
