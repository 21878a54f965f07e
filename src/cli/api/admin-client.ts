/** Administration of one instance: JSON in, JSON out, over the client that replication uses. */
import type { Answer } from '../../client/answer.ts';
import { InstanceClient } from '../../client/instance-client.ts';
import { ApiError } from '../../errors/errors.ts';
import { answerMessage } from '../../replication/answer-headers.ts';
import type { HttpRequest } from '../../replication/transfer/target-client.ts';
import { type JsonValue, JsonSyntaxError, parseJson, stringifyJson } from '../../wire/json.ts';
import type { CliContext, ResolvedServer } from '../context.ts';
import { CliError } from '../errors.ts';
import type { ServerRef } from '../resource.ts';

type Method = HttpRequest['method'];

/** Runs `use` with a client of the instance that `ref` names, and closes it afterwards. */
export async function withServer<T>(
  context: CliContext,
  ref: ServerRef,
  use: (client: AdminClient) => Promise<T>,
): Promise<T> {
  const client = new AdminClient(context.resolve(ref), context.signal);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/**
 * Methods throw ApiError for an answer that is no success, undici's or the socket's error when there is none, and the
 * reason of the signal when it is aborted.
 */
export class AdminClient {
  readonly server: ResolvedServer;
  readonly #client: InstanceClient;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;

  constructor(server: ResolvedServer, signal: AbortSignal) {
    this.server = server;
    this.#client = new InstanceClient(server);
    this.#signal = signal;
    this.#onAbort = () => this.#client.group.abort(abortReason(signal));
    signal.addEventListener('abort', this.#onAbort);
  }

  /** The document at `path`, percent-encoded below `api/v1/`. */
  get(path: string): Promise<JsonValue> {
    return this.json('GET', path);
  }

  /** Like `send`, for answers that are documents. */
  async json(method: Method, path: string, body?: JsonValue): Promise<JsonValue> {
    const text = await this.send(method, path, body);
    try {
      return parseJson(text, { keepFloats: true });
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) throw error;
      throw new CliError(`The answer of ${this.server.url} to ${method} ${path} is no JSON`);
    }
  }

  /** The answer's body as text, empty for most. */
  async send(method: Method, path: string, body?: JsonValue): Promise<string> {
    if (this.#signal.aborted) throw abortReason(this.#signal);
    const content = body === undefined ? undefined : stringifyJson(body);
    const answer = await this.#client.open(method, path, content);
    const text = await answer.text();
    if (answer.status === 200) return text;
    throw new ApiError(answer.status, this.#refusalText(answer));
  }

  async close(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#onAbort);
    await this.#client.close();
  }

  /** Proxies and other servers than ReductStore's kind refuse without a text. */
  #refusalText({ status, headers }: Answer): string {
    return headers['x-reduct-error'] === undefined
      ? `${this.server.url} answered ${status}`
      : answerMessage(headers);
  }
}

function abortReason({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new Error('Interrupted');
}
