/** First contact with a target and contact after each loss of it (replication §5.3): is the bucket there? */
import { connect } from 'node:net';
import { answerMessage, parseRetryAfter } from '../answer-headers.ts';
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
import { classifyTransportError } from '../transport-error.ts';
import { failureOf } from './failure.ts';
import type { HttpAnswer, RequestGroup, TargetClient } from './target-client.ts';

/** Somebody else created or removed the bucket meanwhile: ask again this often. */
const MAX_ROUNDS = 3;

/**
 * @param mayCreate creates a missing bucket with the target's default settings; else it counts as unavailable.
 * @returns `null` when batches can be sent.
 */
export async function checkTarget(
  client: TargetClient,
  bucketName: string,
  mayCreate: boolean,
  group: RequestGroup,
): Promise<SliceFailure | null> {
  let last: SliceFailure | null = null;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const checked = await ask(client, 'check', bucketName, group);
    if (checked.action.action === 'available') return null;
    last = failureOf(checked.action, checked.result);
    if (checked.action.action !== 'create-bucket' || !mayCreate) return last;
    const created = await ask(client, 'create', bucketName, group);
    if (created.action.action === 'available') return null;
    last = failureOf(created.action, created.result);
    if (created.action.action !== 'recheck-target') return last;
  }
  return last;
}

interface Asked {
  readonly action: RequestAction;
  readonly result: RequestResult;
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
  try {
    const method = phase === 'check' ? 'GET' : 'POST';
    const request = { method, path, headers: [], recordHeaders: null, body: null } as const;
    result = toResult(await client.request(request, group));
  } catch (error) {
    result = { kind: 'failure', failure: classifyTransportError(error) };
  }
  return { action: decideRequest(context, result), result };
}

function toResult({ status, headers }: HttpAnswer): RequestResult {
  return {
    kind: 'answer',
    status,
    message: answerMessage(headers),
    retryAfterMs: parseRetryAfter(headers, Date.now()),
    recordErrors: new Map(),
  };
}

/**
 * A mere TCP connect, to find out cheaply whether a target that was unreachable is back.
 * @returns `null` when it answers.
 */
export function probeConnect(dstHost: string): Promise<SliceFailure | null> {
  const { hostname, port, protocol } = new URL(dstHost);
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
