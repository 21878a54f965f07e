/** How many units a client may use per period (http-api §1.10): one limit, fixed windows, one window a client. */
import type { RateLimit } from '../config/kinds.ts';

/** Why a use was refused. */
export interface RateRefusal {
  /** What the client has used of its window. */
  readonly used: number;
  /** Whole seconds after which the same use may be admitted; at least 1. */
  readonly retryAfterS: number;
}

/** Clients remembered; with addresses as keys about 2 MiB. Beyond it the client whose window is oldest is forgotten. */
export const MAX_CLIENTS = 16_384;

/** Expired windows dropped per new one: more than one, so that they vanish faster than they appear. */
const DROPPED_PER_WINDOW = 2;

interface Window {
  startMs: number;
  used: number;
}

export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #admitsOversized: boolean;
  readonly #maxClients: number;
  /** About in order of `startMs`: a window that starts anew moves to the end. */
  readonly #windows = new Map<string, Window>();

  /**
   * @param admitsOversized a use above the whole limit passes when the window is unused, and what is too much of it is
   *   taken from the next windows: for amounts that the client does not choose, which it could never get otherwise.
   */
  constructor(limit: RateLimit, admitsOversized: boolean, maxClients: number = MAX_CLIENTS) {
    this.#limit = limit;
    this.#admitsOversized = admitsOversized;
    this.#maxClients = maxClients;
  }

  get limit(): RateLimit {
    return this.#limit;
  }

  get clients(): number {
    return this.#windows.size;
  }

  /**
   * Uses `amount` of the client's window, or nothing of it when that is too much.
   * @param nowMs of a monotonic clock.
   * @returns undefined when admitted.
   */
  take(client: string, amount: number, nowMs: number): RateRefusal | undefined {
    const window = this.#currentWindow(client, nowMs);
    const wanted = window.used + amount;
    const isOversized = this.#admitsOversized && window.used === 0;
    if (wanted <= this.#limit.amount || isOversized) {
      window.used = wanted;
      return undefined;
    }
    return { used: window.used, retryAfterS: this.#retryAfterS(window, amount, nowMs) };
  }

  #currentWindow(client: string, nowMs: number): Window {
    const { amount, periodMs } = this.#limit;
    const known = this.#windows.get(client);
    if (known === undefined) return this.#begin(client, nowMs, 0);
    const ended = Math.floor((nowMs - known.startMs) / periodMs);
    if (ended <= 0) return known;
    this.#windows.delete(client);
    // Only an oversized use leaves a debt; a window that follows another one begins where that one ended.
    const debt = Math.max(0, known.used - ended * amount);
    return this.#begin(client, debt === 0 ? nowMs : known.startMs + ended * periodMs, debt);
  }

  #begin(client: string, startMs: number, used: number): Window {
    this.#makeRoom(startMs);
    const window = { startMs, used };
    this.#windows.set(client, window);
    return window;
  }

  #makeRoom(nowMs: number): void {
    let looked = 0;
    for (const [client, window] of this.#windows) {
      const isFull = this.#windows.size >= this.#maxClients;
      const isPast = nowMs - window.startMs >= this.#periodsOf(window) * this.#limit.periodMs;
      if (!isFull && (!isPast || looked >= DROPPED_PER_WINDOW)) return;
      this.#windows.delete(client);
      looked++;
    }
  }

  /** Windows until what was used is paid off. */
  #periodsOf({ used }: Window): number {
    return Math.max(1, Math.ceil(used / this.#limit.amount));
  }

  #retryAfterS(window: Window, amount: number, nowMs: number): number {
    const { amount: limit, periodMs } = this.#limit;
    const excess = window.used + Math.min(amount, limit) - limit;
    const periods = Math.max(1, Math.ceil(excess / limit));
    const waitMs = window.startMs + periods * periodMs - nowMs;
    return Math.max(1, Math.ceil(waitMs / 1000));
  }
}
