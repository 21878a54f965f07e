/**
 * The shared line of one task: 192 bytes of shared memory between the main thread and whichever worker runs a slice.
 *
 * ```
 * 0   i32  stop word, written by the main thread only: 0 run, 1 stop, 2 make way
 * 64  f64  figures, written by the worker while a slice runs and by the main thread between slices
 * ```
 * The stop word lies on a cache line of its own. Figures are for people and metrics; nothing is decided by them, so
 * they need no order among each other (an aligned f64 is not torn on 64-bit machines).
 */

const STOP_WORD = 0;
const RUN = 0;
const STOP = 1;
const MAKE_WAY = 2;
const FIGURES_AT_BYTES = 64;

/** Places of the figures. "Of the slice" means since the running slice began; zero between slices. */
const FIGURE = {
  scannedSequence: 0,
  scannedOrdinal: 1,
  matchedRecords: 2,
  matchedBytes: 3,
  openRecords: 4,
  openBytes: 5,
  sentRecords: 6,
  sentBytes: 7,
  answeredSequence: 8,
} as const;

const FIGURE_COUNT = 16;

export type FigureName = keyof typeof FIGURE;

export const TASK_LINE_BYTES: number = FIGURES_AT_BYTES + FIGURE_COUNT * 8;

export class TaskLine {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #figures: Float64Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(TASK_LINE_BYTES)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, 1);
    this.#figures = new Float64Array(buffer, FIGURES_AT_BYTES, FIGURE_COUNT);
  }

  /**
   * Next sequence the slice has not looked at and its bucket ordinal; what matched so far, what is unanswered of that, what
   * the target has of it; the sequence before which everything is answered for.
   */
  get(name: FigureName): number {
    return this.#figures[FIGURE[name]] ?? 0;
  }

  set(name: FigureName, value: number): void {
    this.#figures[FIGURE[name]] = value;
  }

  add(name: FigureName, value: number): void {
    this.set(name, this.get(name) + value);
  }

  clearFigures(): void {
    this.#figures.fill(0);
  }

  isStopped(): boolean {
    return Atomics.load(this.#words, STOP_WORD) === STOP;
  }

  /** The slice is to end with what it has begun. */
  makesWay(): boolean {
    return Atomics.load(this.#words, STOP_WORD) !== RUN;
  }

  /** Main thread: the running slice, if any, ends now and gives up its requests. */
  stop(): void {
    Atomics.store(this.#words, STOP_WORD, STOP);
    // After the store, so that whoever is woken reads the new value.
    Atomics.notify(this.#words, STOP_WORD);
  }

  /** Main thread: the running slice, if any, sends what it has begun to send and ends then. A stop is not taken back. */
  makeWay(): void {
    Atomics.compareExchange(this.#words, STOP_WORD, RUN, MAKE_WAY);
    Atomics.notify(this.#words, STOP_WORD);
  }

  /** Main thread, while no slice runs. */
  rearm(): void {
    Atomics.store(this.#words, STOP_WORD, RUN);
  }

  /** Worker: resolves after `stop` or `makeWay`, or after `release`. */
  whenAsked(): Promise<void> {
    return this.#whenNot(RUN);
  }

  /** Worker: after `whenAsked`, resolves after `stop` or `release`. */
  whenStopped(): Promise<void> {
    return this.#whenNot(MAKE_WAY);
  }

  async #whenNot(word: number): Promise<void> {
    const result = Atomics.waitAsync(this.#words, STOP_WORD, word);
    if (result.async) await result.value;
  }

  /** Worker, at the end of a slice: lets the pending `whenStopped` go, so that waiters do not pile up. */
  release(): void {
    Atomics.notify(this.#words, STOP_WORD);
  }
}
