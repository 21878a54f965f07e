/**
 * One request and its answer: the headers every answer carries, the forms of an answer, and the end of the request's
 * life (answered once, or gone).
 */
import { STATUS_CODES } from 'node:http';
import { MillraceError, toErrorData } from '../errors/errors.ts';
import type { ReadMemory } from '../query/read-memory.ts';
import { errorHeaderText } from '../wire/header-text.ts';
import type { CorsPolicy } from './cors.ts';
import type { FrontLogger } from './deps.ts';
import type { AuditedExchange, ExchangeAudit } from './request-audit.ts';
import type { RequestMetrics } from './request-metrics.ts';
import type { UwsResponse } from './uws.ts';
import { ANNOUNCED_API_VERSION, ANNOUNCED_SERVER_VERSION } from './version.ts';

/** Seconds in `retry-after` of 429 and 503 unless the refusal says otherwise. */
const RETRY_AFTER_S = 1;

/** Several header lines in one call: each call into the library costs more than copying the bytes. */
interface HeaderBlock {
  readonly name: ArrayBuffer;
  readonly value: ArrayBuffer;
}

/** What all exchanges of one server share. */
export class ExchangeContext {
  readonly metrics: RequestMetrics;
  readonly logger: FrontLogger;
  readonly cors: CorsPolicy;
  readonly standardHeaders: HeaderBlock;
  /** Undefined where requests are not recorded. */
  readonly audit: ExchangeAudit | undefined;
  readonly readMemory: Pick<ReadMemory, 'hold'>;
  /** Requests not answered yet. */
  inFlight = 0;
  /** Called when `inFlight` falls to 0. */
  onIdle: (() => void) | undefined;

  constructor(
    metrics: RequestMetrics,
    logger: FrontLogger,
    cors: CorsPolicy,
    audit: ExchangeAudit | undefined,
    readMemory: Pick<ReadMemory, 'hold'>,
  ) {
    this.readMemory = readMemory;
    this.metrics = metrics;
    this.audit = audit;
    this.logger = logger;
    this.cors = cors;
    this.standardHeaders = {
      name: bytesOf('server'),
      value: bytesOf(standardLines(cors).join('\r\n')),
    };
  }
}

/** http-api §1.3, behind `server: `. */
function standardLines(cors: CorsPolicy): string[] {
  const lines = [
    `ReductStore ${ANNOUNCED_SERVER_VERSION}`,
    `x-reduct-api: ${ANNOUNCED_API_VERSION}`,
    'vary: origin, access-control-request-method, access-control-request-headers',
    'access-control-expose-headers: *',
  ];
  if (cors.allowsAll) lines.push('access-control-allow-origin: *');
  return lines;
}

function bytesOf(text: string): ArrayBuffer {
  return new Uint8Array(Buffer.from(text, 'latin1')).buffer;
}

/** Whoever must know that the connection is gone. */
export interface AbortListener {
  onAborted(): void;
}

export class Exchange implements AuditedExchange {
  readonly context: ExchangeContext;
  readonly res: UwsResponse;
  readonly isHead: boolean;
  readonly #group: number;
  readonly #origin: string;
  readonly #startMs = performance.now();
  #isOpen = true;
  /** Where the request comes from (http-api §3.2); empty when nobody needs it. */
  clientIp = '';
  /** The address is that of a peer close by whose headers were not looked at yet. */
  mayBeProxied = false;
  /** Set for requests that may be recorded; lower case. */
  method = '';
  /** Set for requests that may be recorded; as it was sent, without the query. */
  path = '';
  authorization = '';
  tokenName = '';
  /** Set by whoever holds resources for this request. */
  abortListener: AbortListener | undefined;
  /** Called once when the request is over, answered or not. */
  onClosed: (() => void) | undefined;

  /**
   * @param group index of the route group.
   * @param origin value of the request's `origin` where the policy needs it, else empty.
   */
  constructor(
    context: ExchangeContext,
    res: UwsResponse,
    isHead: boolean,
    group: number,
    origin: string,
  ) {
    this.context = context;
    this.res = res;
    this.isHead = isHead;
    this.#group = group;
    this.#origin = origin;
    context.inFlight++;
    res.onAborted(() => this.#aborted());
  }

  /** False after the answer and after the connection is gone: `res` must not be touched any more. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** 200 without a body: the answer to every successful write. */
  ok(): void {
    if (!this.#isOpen) return;
    this.res.cork(() => {
      this.#writeStandard();
      this.res.end();
    });
    this.#close(200);
  }

  /**
   * @param lines further header lines joined by CRLF, without one at the end; empty for none.
   * @param body empty for none. HEAD gets its length only.
   */
  answer(status: number, lines: string, body: string | Uint8Array): void {
    this.#send(status, () => {
      this.begin(status, lines);
      this.#finish(body);
    });
  }

  json(text: string): void {
    this.answer(200, 'content-type: application/json', text);
  }

  /** Plain text of the framework level: no `x-reduct-error` (http-api §1.4). */
  text(status: number, text: string): void {
    const write = (): void => {
      this.begin(status, 'content-type: text/plain; charset=utf-8');
      this.#finish(text);
    };
    this.#send(status, write, text);
  }

  /** An application error in the form of http-api §1.4. Errors that are our own fault are logged. */
  fail(error: unknown): void {
    const { status, message } = this.#describe(error);
    const retryAfterS = error instanceof MillraceError ? error.retryAfterS : undefined;
    this.refuse(status, message, false, retryAfterS);
  }

  /**
   * @param shouldClose ends the connection behind the answer.
   * @param retryAfterS whole seconds in `retry-after` of 429 and 503.
   */
  refuse(
    status: number,
    message: string,
    shouldClose = false,
    retryAfterS: number = RETRY_AFTER_S,
  ): void {
    const lines = [`x-reduct-error: ${errorHeaderText(message)}`];
    if (status === 429 || status === 503) lines.push(`retry-after: ${retryAfterS}`);
    if (status === 204) {
      const write = (): void => {
        this.begin(204, lines.join('\r\n'));
        this.res.endWithoutBody();
      };
      this.#send(204, write, message);
      return;
    }
    lines.push('content-type: application/json');
    const body = `{"detail": "${message.replaceAll('"', "'")}"}`;
    const write = (): void => {
      this.begin(status, lines.join('\r\n'));
      this.#finish(body, shouldClose);
    };
    this.#send(status, write, message);
  }

  /** OPTIONS on any path (http-api §1.5). */
  preflight(): void {
    this.#send(200, () => {
      const { res } = this;
      res.writeHeader(
        'server',
        `ReductStore ${ANNOUNCED_SERVER_VERSION}\r\nx-reduct-api: ${ANNOUNCED_API_VERSION}\r\n` +
          'vary: origin, access-control-request-method, access-control-request-headers\r\n' +
          'access-control-allow-methods: *\r\naccess-control-allow-headers: *',
      );
      const allowed = this.context.cors.allowOrigin(this.#origin);
      if (allowed !== '') res.writeHeader('access-control-allow-origin', allowed);
      res.end();
    });
  }

  /** Status and headers of an answer whose body the caller writes; inside `cork`. */
  begin(status: number, lines: string): void {
    if (status !== 200) this.res.writeStatus(`${status} ${STATUS_CODES[status] ?? 'Unknown'}`);
    this.#writeStandard();
    if (lines === '') return;
    const colon = lines.indexOf(': ');
    this.res.writeHeader(lines.slice(0, colon), lines.slice(colon + 2));
  }

  /** To HEAD: the headers and the length that GET would have. */
  answerHead(lines: string, lengthBytes: number, status = 200): void {
    this.#send(status, () => {
      this.begin(
        status,
        lines === ''
          ? `content-length: ${lengthBytes}`
          : `${lines}\r\ncontent-length: ${lengthBytes}`,
      );
      this.res.endWithoutBody();
    });
  }

  /** The caller has written the whole answer itself. */
  finished(status: number): void {
    this.#close(status);
  }

  /** Drops the connection: the answer has begun and cannot be finished. */
  drop(): void {
    if (this.#isOpen) this.res.close();
  }

  /** @param message text of an error. */
  #send(status: number, write: () => void, message = ''): void {
    if (!this.#isOpen) return;
    this.res.cork(write);
    this.#close(status, message);
  }

  #writeStandard(): void {
    const { standardHeaders, cors } = this.context;
    this.res.writeHeader(standardHeaders.name, standardHeaders.value);
    if (!cors.needsOrigin) return;
    const allowed = cors.allowOrigin(this.#origin);
    if (allowed !== '') this.res.writeHeader('access-control-allow-origin', allowed);
  }

  #finish(body: string | Uint8Array, shouldClose = false): void {
    if (!this.isHead) {
      this.res.end(body, shouldClose);
      return;
    }
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    if (shouldClose) {
      this.res.endWithoutBody(length, true);
      return;
    }
    this.res.writeHeader('content-length', String(length));
    this.res.endWithoutBody();
  }

  #describe(error: unknown): { status: number; message: string } {
    if (error instanceof MillraceError && error.code !== 'BUG') return error;
    const { message } = toErrorData(error);
    this.context.logger.error({ err: error }, 'A request failed by a fault of ours');
    return { status: 500, message };
  }

  #aborted(): void {
    this.#close(0);
    this.abortListener?.onAborted();
    this.abortListener = undefined;
  }

  /** @param status 0 when the connection was gone. */
  #close(status: number, message = ''): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { context } = this;
    const nowMs = performance.now();
    const durationMs = nowMs - this.#startMs;
    context.metrics.observe(this.#group, status, durationMs);
    if (status !== 0) context.audit?.answered(this, status, message, durationMs, nowMs);
    context.inFlight--;
    this.onClosed?.();
    if (context.inFlight === 0) context.onIdle?.();
  }
}
