/** First contact with a target and contact after each loss of it (replication §5.3): is the bucket there? */
import { connect } from 'node:net';
import { BugError } from '../../errors/errors.ts';
import type { AnswerHeaders } from '../answer-headers.ts';
import { PROBE_CONNECT_TIMEOUT_MS } from '../backoff.ts';
import type { SliceFailure } from '../messages.ts';
import {
  decideRequest,
  type Phase,
  type RequestAction,
  type RequestContext,
  type RequestResult,
} from '../outcome.ts';
import { encodePath } from '../scan/entry-path.ts';
import { classifyTransportError, type TransportFailure } from '../transport-error.ts';
import { failureOf } from './failure.ts';
import type { RequestGroup } from './exchange.ts';
import { toResult } from './send-result.ts';
import type { TargetClient } from './target-client.ts';
import { NO_PROXY, proxyFor, type ProxySettings } from './proxy.ts';
import { readTargetInfo, type TargetInfo } from './target-info.ts';

/** Somebody else created or removed the bucket meanwhile: ask again this often. */
const MAX_ROUNDS = 3;

export type Contact =
  | { readonly kind: 'available'; readonly target: TargetInfo }
  | { readonly kind: 'failed'; readonly failure: SliceFailure };

/**
 * @param mayCreate creates a missing bucket with the target's default settings; else it counts as unavailable.
 * @returns what the target tells about itself, when batches can be sent.
 */
export async function checkTarget(
  client: TargetClient,
  bucketName: string,
  mayCreate: boolean,
  group: RequestGroup,
): Promise<Contact> {
  let failure: SliceFailure | undefined;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const checked = await ask(client, 'check', bucketName, group);
    if (checked.action.action === 'available') return availableAt(checked);
    failure = failureOf(checked.action, checked.result);
    if (checked.action.action !== 'create-bucket' || !mayCreate) break;
    const created = await ask(client, 'create', bucketName, group);
    if (created.action.action === 'available') return availableAt(created);
    failure = failureOf(created.action, created.result);
    if (created.action.action !== 'recheck-target') break;
  }
  if (failure === undefined) throw new BugError('a target was checked in no round');
  return { kind: 'failed', failure };
}

function availableAt({ headers }: Asked): Contact {
  return { kind: 'available', target: readTargetInfo(headers) };
}

interface Asked {
  readonly action: RequestAction;
  readonly result: RequestResult;
  /** Of the answer; empty when there was none. */
  readonly headers: AnswerHeaders;
}

async function ask(
  client: TargetClient,
  phase: Extract<Phase, 'check' | 'create'>,
  bucketName: string,
  group: RequestGroup,
): Promise<Asked> {
  const context: RequestContext = { phase, recordCount: 0, earlierRefusals: 0, updateOnly: false };
  const path = `b/${encodePath(bucketName)}`;
  let result: RequestResult;
  let headers: AnswerHeaders = {};
  try {
    const method = phase === 'check' ? 'GET' : 'POST';
    const request = { method, path, headers: [], recordHeaders: null, body: null } as const;
    const answer = await client.request(request, group);
    headers = answer.headers;
    result = toResult(answer);
  } catch (error) {
    result = { kind: 'failure', failure: explain(classifyTransportError(error), client) };
  }
  return { action: decideRequest(context, result), result, headers };
}

/** Of the first request on a connection. */
function explain(
  failure: TransportFailure,
  { mayLackCertificate }: TargetClient,
): TransportFailure {
  if (failure.key !== -6 || !mayLackCertificate) return failure;
  const message = `${failure.message} (perhaps the target demands a client certificate)`;
  return { ...failure, message };
}

/**
 * A mere TCP connect, to find out cheaply whether a target that was unreachable is back.
 * @returns `null` when it answers.
 */
export function probeConnect(
  dstHost: string,
  proxies: ProxySettings = NO_PROXY,
): Promise<SliceFailure | null> {
  const target = new URL(dstHost);
  const { hostname, port, protocol } = proxyFor(target, proxies) ?? target;
  const portNumber = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: portNumber });
    const settle = (failure: SliceFailure | null): void => {
      socket.destroy();
      resolve(failure);
    };
    socket.setTimeout(PROBE_CONNECT_TIMEOUT_MS, () => {
      const message = `no connection within ${PROBE_CONNECT_TIMEOUT_MS} ms`;
      settle({ kind: 'unreachable', key: -3, message, retryAfterMs: null });
    });
    socket.on('connect', () => settle(null));
    socket.on('error', (error) => {
      const { key, kind, message } = classifyTransportError(error);
      settle({ kind, key, message, retryAfterMs: null });
    });
  });
}
