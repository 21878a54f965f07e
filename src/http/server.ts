/** The HTTP front: one handler for every request, its dispatch, and the life of the listener. */
import { isReadOnlyRole } from '../config/rules.ts';
import type { ReadMemoryFigures } from '../query/read-memory.ts';
import { createRates } from '../limits/rates.ts';
import type { Rates } from '../limits/rates.ts';
import { WriterGate } from '../limits/writer-gate.ts';
import type { CertificateFiles } from './certificate.ts';
import { noteSender } from './auth.ts';
import { clientAddress, ClientAddresses } from './client-address.ts';
import { CorsPolicy } from './cors.ts';
import type { FrontConfig, FrontDeps } from './deps.ts';
import { ENDPOINTS } from './endpoints.ts';
import { Exchange, ExchangeContext } from './exchange.ts';
import type { Front } from './front.ts';
import { refuseWrite } from './handlers/entries.ts';
import { createStartWrite } from './held-write.ts';
import { Listener } from './listener.ts';
import { ProgressSweep } from './progress-sweep.ts';
import { ExchangeAudit } from './request-audit.ts';
import { AmbiguousBodyError, RequestHeaders } from './request-headers.ts';
import { RequestMetrics } from './request-metrics.ts';
import type { RouteGroupCounts } from './request-metrics.ts';
import { Router } from './router.ts';
import type { Route } from './router.ts';
import { UploadBudget } from './upload-budget.ts';
import type { UploadBudgetFigures } from './upload-budget.ts';
import { loadUws } from './uws.ts';
import type { UwsRequest, UwsResponse } from './uws.ts';

const STARTING_TEXT = 'The server is starting up, please try again later';
const STOPPING_TEXT = 'The server is shutting down, please try again later';

export interface FrontFigures {
  readonly requests: readonly RouteGroupCounts[];
  readonly requestsInFlight: number;
  readonly uploads: UploadBudgetFigures;
  readonly readMemory: ReadMemoryFigures;
}

export class FrontServer {
  readonly #front: Front;
  readonly #router: Router;
  readonly #metrics = new RequestMetrics();
  readonly #budget: UploadBudget;
  readonly #sweep: ProgressSweep;
  readonly #uiPath: string;
  readonly #listener: Listener;
  readonly #addresses = new ClientAddresses();
  #isStopping = false;

  /** @throws NativeModuleError when uWebSockets.js does not load. */
  constructor(deps: FrontDeps) {
    const { config, logger } = deps;
    this.#router = new Router(config.apiBasePath);
    this.#uiPath = `${config.apiBasePath}ui/`;
    this.#budget = new UploadBudget(config.uploadMemoryBytes);
    this.#sweep = new ProgressSweep(config.operationTimeoutMs);
    const intake = { budget: this.#budget, sweep: this.#sweep };
    this.#front = {
      deps,
      context: new ExchangeContext(
        this.#metrics,
        logger,
        new CorsPolicy(config.corsAllowOrigins),
        deps.audit && new ExchangeAudit(deps.audit, () => deps.auth),
        deps.readMemory,
      ),
      intake,
      headers: new RequestHeaders(),
      publicUrl: () => this.#publicUrl(),
      rates: ratesOf(config),
      isReadOnly: isReadOnlyRole(config),
      startWrite: createStartWrite(intake, writerGate(config)),
      startMs: performance.now(),
    };
    this.#listener = new Listener({
      uws: loadUws(),
      certificate: certificateFiles(config),
      logger,
      onRequest: this.#requestHandler(),
      onConnection: (res, change) => this.#addresses.onConnection(res, change),
    });
  }

  /** `RS_PUBLIC_URL`, or what follows from the listener (http-api §7). */
  #publicUrl(): string {
    const { publicUrl, apiBasePath } = this.#front.deps.config;
    if (publicUrl !== undefined) return publicUrl;
    const { address, isSecure } = this.#listener;
    const { host, port } = address;
    const name = host.includes(':') ? `[${host}]` : host;
    const portText = port === (isSecure ? 443 : 80) ? '' : `:${port}`;
    return `${isSecure ? 'https' : 'http'}://${name}${portText}${apiBasePath}`;
  }

  /** Without a limit no request is asked who sends it. */
  #requestHandler(): (res: UwsResponse, req: UwsRequest) => void {
    const { api } = this.#front.rates;
    if (api === undefined) return (res, req) => this.#dispatch(res, req);
    return (res, req) => {
      try {
        api(clientAddress(res, req), 1);
      } catch (error) {
        this.#refuseRequest(res, req, error);
        return;
      }
      this.#dispatch(res, req);
    };
  }

  /**
   * @param port 0 for a free one.
   * @returns the port listened on. Rejects when the address or the certificate cannot be used.
   */
  listen(host: string, port: number): Promise<number> {
    return this.#listener.listen(host, port);
  }

  /**
   * Stops accepting, waits for requests in flight, closes all connections. Requests that come meanwhile on open
   * connections get 503. Safe to call again.
   * @param timeoutMs longest wait; what is not answered by then loses its connection.
   */
  async close(timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    this.#listener.stopAccepting();
    const { context } = this.#front;
    if (context.inFlight > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        context.onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    context.onIdle = undefined;
    this.#listener.close();
    this.#sweep.stop();
  }

  /** For the metrics module, at any time. */
  figures(): FrontFigures {
    return {
      requests: this.#metrics.snapshot(),
      requestsInFlight: this.#front.context.inFlight,
      uploads: this.#budget.figures(),
      readMemory: this.#front.deps.readMemory.figures(),
    };
  }

  #dispatch(res: UwsResponse, req: UwsRequest): void {
    const method = req.getMethod();
    const path = req.getUrl();
    const route = this.#resolve(path, method);
    const exchange = this.#newExchange(res, req, method, path, route);
    const handler = ENDPOINTS[route.target].handlers.get(method);
    if (handler === undefined || this.#isStopping || !this.#isOpenFor(route)) {
      if (exchange.path !== '') noteSender(exchange, req);
      this.#answerWithoutHandler(exchange, method, route);
      return;
    }
    try {
      handler(this.#front, exchange, req, route);
    } catch (error) {
      fail(exchange, error);
    }
  }

  /** A suffix of entry names is reserved for some methods only; to the others it is a part of the name. */
  #resolve(path: string, method: string): Route {
    const route = this.#router.resolve(path);
    const { target, withoutSuffix } = route;
    return withoutSuffix === undefined || ENDPOINTS[target].handlers.has(method)
      ? route
      : withoutSuffix;
  }

  #needsClientIp(): boolean {
    const { deps, context } = this.#front;
    return deps.isReady() && (context.audit !== undefined || deps.auth.needsClientIp);
  }

  #newExchange(
    res: UwsResponse,
    req: UwsRequest,
    method: string,
    path: string,
    route: Route,
  ): Exchange {
    const { context } = this.#front;
    const origin = context.cors.needsOrigin ? req.getHeader('origin') : '';
    const group = ENDPOINTS[route.target].groupOf(method);
    const exchange = new Exchange(context, res, method === 'head', group, origin);
    if (this.#needsClientIp()) this.#addresses.note(exchange, res);
    if (context.audit !== undefined && !isProbe(route)) {
      exchange.method = method;
      exchange.path = path;
    }
    return exchange;
  }

  /** The body is read to its end, so that a client that sends first and reads later gets the answer. */
  #refuseRequest(res: UwsResponse, req: UwsRequest, error: unknown): void {
    const method = req.getMethod();
    const path = req.getUrl();
    const exchange = this.#newExchange(res, req, method, path, this.#resolve(path, method));
    try {
      this.#front.headers.scan(req, exchange);
      refuseWrite(this.#front, exchange, error);
    } catch (scanError) {
      fail(exchange, scanError);
    }
  }

  #isOpenFor(route: Route): boolean {
    return this.#front.deps.isReady() || route.target === 'alive';
  }

  #answerWithoutHandler(exchange: Exchange, method: string, route: Route): void {
    if (method === 'options') {
      exchange.preflight();
    } else if (this.#isStopping) {
      exchange.refuse(503, STOPPING_TEXT, true);
    } else if (!this.#isOpenFor(route)) {
      exchange.refuse(503, STARTING_TEXT);
    } else {
      this.#answerUnserved(exchange, method, route);
    }
  }

  /** http-api §1.1: redirects, unknown paths, wrong methods. */
  #answerUnserved(exchange: Exchange, method: string, route: Route): void {
    const isRead = method === 'get' || method === 'head';
    if (route.target === 'badPath') {
      exchange.text(400, route.text);
    } else if (route.target === 'redirectToUi' && isRead) {
      exchange.answer(302, `location: ${this.#uiPath}`, '');
    } else if (route.target === 'unknown' || route.target === 'redirectToUi') {
      if (isRead) exchange.refuse(404, 'Not found');
      else exchange.answer(405, 'allow: GET,HEAD', '');
    } else if (route.target === 'entry' && method === 'put') {
      exchange.refuse(404, 'Not found');
    } else {
      exchange.answer(405, `allow: ${ENDPOINTS[route.target].allow}`, '');
    }
  }
}

function fail(exchange: Exchange, error: unknown): void {
  if (!(error instanceof AmbiguousBodyError)) {
    exchange.fail(error);
    return;
  }
  // Not at once: the library would go on with what follows in the same packet, whatever the answer says of the
  // connection. It ends the connection itself when it finds a request there while this one is not answered.
  setImmediate(() => exchange.refuse(error.status, error.message, true));
}

/** Their requests come every few seconds and say nothing (http-api §2.1). */
function isProbe({ target }: Route): boolean {
  return target === 'alive' || target === 'ready';
}

function ratesOf({ rateLimitApi, rateLimitIngress, rateLimitEgress }: FrontConfig): Rates {
  const limits = { api: rateLimitApi, ingress: rateLimitIngress, egress: rateLimitEgress };
  return createRates(limits, () => performance.now());
}

function writerGate({ maxWritersInFlight }: FrontConfig): WriterGate | undefined {
  return maxWritersInFlight === 0 ? undefined : new WriterGate(maxWritersInFlight);
}

/** A rule of the configuration sees to it that both are set. */
function certificateFiles({ certPath, certKeyPath }: FrontConfig): CertificateFiles | undefined {
  if (certPath === undefined || certKeyPath === undefined) return undefined;
  return { certPath, keyPath: certKeyPath };
}
