/** Trying again after errors that may pass. */
import { setTimeout as delay } from 'node:timers/promises';
import type { InstanceClient } from '../client/instance-client.ts';
import { MillraceError } from '../errors/errors.ts';
import { classifyTransportError, type TransportFailure } from '../replication/transport-error.ts';
import { CopyInterruptedError, CopyStoppedError } from './types.ts';

export interface RetryOptions {
  /** Failures in a row without any progress, until it is given up. */
  readonly attempts: number;
  /** Wait after each of them, ms. */
  readonly delayMs: number;
}

/** As the original does (replication §9.5). */
export const DEFAULT_RETRY: RetryOptions = { attempts: 10, delayMs: 1_000 };

/** Statuses of a server that is there and will not change its mind. */
const FINAL_STATUSES: ReadonlySet<number> = new Set([400, 401, 403, 405, 422]);

/** Counts failures in a row; `progress` forgets them. */
export class Attempts {
  readonly #options: RetryOptions;
  readonly #signal: AbortSignal;
  #failures = 0;

  constructor(options: RetryOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  get failures(): number {
    return this.#failures;
  }

  progress(): void {
    this.#failures = 0;
  }

  /**
   * Waits before the next attempt.
   * @throws the error itself when it is final, CopyStoppedError when the other side cannot be reached,
   *   CopyInterruptedError when the caller wants no more.
   */
  async failed(error: unknown, side: string): Promise<void> {
    if (this.#signal.aborted) throw new CopyInterruptedError('interrupted');
    if (error instanceof CopyInterruptedError || error instanceof CopyStoppedError) throw error;
    const isAnswer = error instanceof MillraceError;
    const isGone = isAnswer && error.status === 404 && error.message.startsWith('Bucket ');
    if (isGone) throw error;
    if (isAnswer && FINAL_STATUSES.has(error.status)) {
      if (error.status === 401 || error.status === 403) {
        throw new CopyStoppedError(`${side}: ${error.message}`, { cause: error });
      }
      throw error;
    }
    this.#failures++;
    if (this.#failures >= this.#options.attempts) {
      if (isAnswer) throw error;
      throw new CopyStoppedError(`${side}: ${classifyTransportError(error).message}`, {
        cause: error,
      });
    }
    await this.pause(this.#options.delayMs);
  }

  /** @throws CopyInterruptedError when the caller wants no more. */
  async pause(ms: number): Promise<void> {
    try {
      await delay(ms, undefined, { signal: this.#signal });
    } catch (error) {
      throw new CopyInterruptedError('interrupted', { cause: error });
    }
  }
}

/** A server that never answered is rather mistyped than away for a moment: no use to try again. */
export function isFirstContact({ hasAnswered }: InstanceClient, error: unknown): boolean {
  return !hasAnswered && !(error instanceof MillraceError);
}

/** Status and reason of anything that was thrown, for people. */
export function describeError(error: unknown): {
  readonly status: number;
  readonly reason: string;
} {
  if (error instanceof MillraceError) return { status: error.status, reason: error.message };
  const { key, message }: TransportFailure = classifyTransportError(error);
  return { status: key, reason: message };
}
