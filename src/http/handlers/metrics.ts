/** `GET /metrics`, for Prometheus. */
import { authenticate, requireFull } from '../auth.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater } from '../front.ts';
import type { Front } from '../front.ts';
import type { UwsRequest } from '../uws.ts';

export function metricsPage(front: Front, exchange: Exchange, req: UwsRequest): void {
  const { config, metrics } = front.deps;
  if (config.metricsAuth) requireFull(authenticate(front, exchange, req));
  answerLater(exchange, metrics.renderMetrics(), (text) => {
    exchange.answer(200, `content-type: ${metrics.contentType}`, text);
  });
}
