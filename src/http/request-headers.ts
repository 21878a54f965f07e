/**
 * One pass over the headers of a writing request. Each look into the library costs more than the comparison of a
 * name, and labels can only be found by walking, so everything is collected in the one walk.
 *
 * There is one scan for the whole server: a request can be read only while its handler runs, and handlers do not
 * interleave. Callers take what they need out of it before they return.
 */
import { ApiError } from '../errors/errors.ts';
import { acceptedPath, PATH_HEADER } from '../replication/replication-path.ts';
import { NO_LABELS } from '../store/labels.ts';
import type { Labels } from '../store/labels.ts';
import { BATCH_V1_PREFIX, DEFAULT_CONTENT_TYPE } from '../wire/batch-v1.ts';
import { isPrintableAscii } from '../wire/header-text.ts';
import { LabelCollector } from '../wire/label-list.ts';
import { parseByteCount } from '../wire/numbers.ts';
import { encodingRefusal } from './body-decoder.ts';
import { noteProxied } from './client-address.ts';
import type { Addressed } from './client-address.ts';
import { unfoldHeaderName } from './uws-binary.ts';
import type { UwsRequest } from './uws.ts';

const REDUCT_PREFIX = 'x-reduct-';
const LABEL_PREFIX = 'x-reduct-label-';
const CODE_X = 0x78;

/**
 * The end of the body is not where everybody would see it: lengths that differ, or a transfer coding that is not
 * `chunked`. What follows may be meant as another request or not, so the connection has to end (RFC 9112 §6.3).
 */
export class AmbiguousBodyError extends ApiError {
  constructor() {
    super(400, 'The length of the body is ambiguous');
  }
}

/** What the scan tells of who sent the request. */
export interface ScannedExchange extends Addressed {
  authorization: string;
}

export class RequestHeaders {
  authorization = '';
  origin = '';
  contentEncoding = '';
  expects100 = false;
  /** Path of replication that the request came by; empty for other clients. */
  replicationPath = '';
  /** Flat names and values of all `x-reduct-…` headers except the content length. */
  reduct: string[] = [];
  #forwarded = '';
  #forwardedFor = '';
  #contentType = DEFAULT_CONTENT_TYPE;
  #contentLength: string | undefined;
  #reductContentLength: string | undefined;
  #hasTransferCoding = false;
  #isAmbiguous = false;

  readonly #visit = (name: string, value: string): void => {
    switch (name) {
      case 'content-length':
        if (this.#contentLength !== undefined && this.#contentLength !== value) {
          this.#isAmbiguous = true;
        }
        this.#contentLength = value;
        return;
      case 'transfer-encoding':
        if (this.#hasTransferCoding || value.toLowerCase() !== 'chunked') this.#isAmbiguous = true;
        this.#hasTransferCoding = true;
        return;
      case 'content-type':
        this.#contentType = value;
        return;
      case 'authorization':
        this.authorization = value;
        return;
      case 'origin':
        this.origin = value;
        return;
      case 'expect':
        this.expects100 = value.toLowerCase() === '100-continue';
        return;
      case 'content-encoding':
        this.contentEncoding = value.trim().toLowerCase();
        return;
      case PATH_HEADER:
        this.replicationPath = acceptedPath(value);
        return;
      case 'x-reduct-content-length':
        this.#reductContentLength = value;
        return;
      case 'forwarded':
        if (this.#forwarded === '') this.#forwarded = value;
        return;
      case 'x-forwarded-for':
        if (this.#forwardedFor === '') this.#forwardedFor = value;
        return;
      default:
        if (name.charCodeAt(0) === CODE_X && name.startsWith(REDUCT_PREFIX)) {
          this.reduct.push(unfoldHeaderName(name), value);
        }
    }
  };

  /** Forgets the previous request and reads this one. @throws AmbiguousBodyError. */
  scan(req: UwsRequest, exchange: ScannedExchange): void {
    this.authorization = '';
    this.#forwarded = '';
    this.#forwardedFor = '';
    this.origin = '';
    this.contentEncoding = '';
    this.expects100 = false;
    this.replicationPath = '';
    if (this.reduct.length > 0) this.reduct = [];
    this.#contentType = DEFAULT_CONTENT_TYPE;
    this.#contentLength = undefined;
    this.#reductContentLength = undefined;
    this.#hasTransferCoding = false;
    this.#isAmbiguous = false;
    req.forEach(this.#visit);
    exchange.authorization = this.authorization;
    if (exchange.mayBeProxied) noteProxied(exchange, this.#forwarded, this.#forwardedFor);
    if (this.#isAmbiguous) throw new AmbiguousBodyError();
  }

  /** True when the body is compressed: `content-length` then says nothing about the content (http-api §1.6). */
  get isEncoded(): boolean {
    return this.contentEncoding !== '' && this.contentEncoding !== 'identity';
  }

  /**
   * Length of the content by http-api-records §1.3.
   * @returns undefined when neither header is there.
   * @throws ApiError 422; 415 for a coding that is not understood, which would have no length to miss.
   */
  length(): number | undefined {
    const refusal = this.isEncoded ? encodingRefusal(this.contentEncoding) : undefined;
    if (refusal !== undefined) throw refusal;
    if (this.#contentLength !== undefined && !this.isEncoded) {
      return parseLength('content-length', this.#contentLength);
    }
    if (this.#reductContentLength === undefined) return undefined;
    return parseLength('x-reduct-content-length', this.#reductContentLength);
  }

  /** @throws ApiError as `length`, and 422 when neither header is there. */
  requiredLength(): number {
    const length = this.length();
    if (length === undefined) throw new ApiError(422, 'content-length header is required');
    return length;
  }

  /** As it was sent; the default when it was not. */
  get rawContentType(): string {
    return this.#contentType;
  }

  /** @throws ApiError 422. */
  contentType(): string {
    if (isPrintableAscii(this.#contentType)) return this.#contentType;
    throw new ApiError(422, 'Malformed content-type header: failed to convert header to a str');
  }

  /** Labels of a single record (http-api-records §1.1). @throws ApiError 422. */
  labels(): Labels {
    const { reduct } = this;
    if (reduct.length === 0) return NO_LABELS;
    const labels = new LabelCollector();
    for (let i = 0; i + 1 < reduct.length; i += 2) {
      const header = reduct[i] ?? '';
      const value = reduct[i + 1] ?? '';
      if (!header.startsWith(LABEL_PREFIX)) continue;
      const name = header.slice(LABEL_PREFIX.length);
      if (!isPrintableAscii(value)) {
        throw new ApiError(422, `Label values for ${header} must be valid UTF-8 strings`);
      }
      labels.set(name, value);
    }
    return labels.finish();
  }

  /** Flat names and values of the record headers of batch protocol v1. */
  batchV1Records(): string[] {
    const { reduct } = this;
    const found: string[] = [];
    for (let i = 0; i + 1 < reduct.length; i += 2) {
      const header = reduct[i] ?? '';
      if (header.startsWith(BATCH_V1_PREFIX)) found.push(header, reduct[i + 1] ?? '');
    }
    return found;
  }
}

function parseLength(header: string, value: string): number {
  const length = parseByteCount(value);
  if (length === undefined) throw new ApiError(422, `${header} header must be a number`);
  return length;
}
