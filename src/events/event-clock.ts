/** Timestamps of events: the wall clock in µs, each given once, because a timestamp names a record of an entry. */

/** A clock that was set back by more than this is followed, at the risk of a timestamp that exists. */
const MAX_AHEAD_US = 1_000_000;

export class EventClock {
  readonly #nowMs: () => number;
  #lastUs = 0;

  /** @param nowMs milliseconds since the epoch. */
  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
  }

  /** µs since the epoch; a safe integer until the year 2255. */
  nextUs(): number {
    const nowUs = Math.floor(this.#nowMs() * 1000);
    const isBehind = nowUs <= this.#lastUs && this.#lastUs - nowUs < MAX_AHEAD_US;
    this.#lastUs = isBehind ? this.#lastUs + 1 : nowUs;
    return this.#lastUs;
  }
}
