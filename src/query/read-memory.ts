/**
 * The bound on memory held by answers that their clients have not taken yet.
 *
 * A batch leaves its query thread as one buffer and stays in memory until the socket has taken all of it, which a slow
 * client can draw out for as long as it likes. So a read of a query reserves the most that it can find before it runs,
 * and waits where that does not fit below the soft mark (three quarters of the limit). While reads wait, answers whose
 * clients took nothing for `STALL_MS` are dropped, the one that stands longest first. What is not asked for beforehand
 * (single records, at most 1 MiB each) may go up to the limit; beyond it the answer that stands longest is dropped.
 * What queries found ahead of their readers is dropped before anything waits or is dropped.
 */
import { UnavailableError } from '../errors/errors.ts';

/** A client that takes nothing for so long loses its connection when others need the memory. */
const STALL_MS = 5_000;
const SWEEP_MS = 1_000;
const SOFT_SHARE = 0.75;

export interface ReadMemoryFigures {
  readonly limitBytes: number;
  /** By answers, and found ahead of the readers. */
  readonly heldBytes: number;
  /** Reads that wait for memory. */
  readonly waiting: number;
  /** Since the start: reads that had to wait, that were refused, and answers that were dropped. */
  readonly waitsTotal: number;
  readonly refusalsTotal: number;
  readonly dropsTotal: number;
}

/** An answer under way. */
export interface HeldAnswer {
  /** Its client took something. */
  progressed(): void;
  /** It is over. Safe to call twice. */
  close(): void;
}

interface Held extends HeldAnswer {
  readonly bytes: number;
  readonly drop: () => void;
  progressMs: number;
}

/** Memory that is given up as soon as a read needs it. */
export interface SpareMemory {
  /** It is not held any more. Safe to call twice. */
  close(): void;
}

interface Spare extends SpareMemory {
  readonly bytes: number;
  readonly drop: () => void;
}

interface Waiter {
  readonly bytes: number;
  readonly sinceMs: number;
  readonly resolve: (release: () => void) => void;
  readonly reject: (error: Error) => void;
}

export interface ReadMemoryOptions {
  readonly limitBytes: number;
  /** How long a read waits before it is refused. */
  readonly timeoutMs: number;
  /** A monotonic clock. */
  readonly nowMs: () => number;
}

export class ReadMemory {
  readonly #options: ReadMemoryOptions;
  readonly #softBytes: number;
  /** The one that stands longest comes first. */
  readonly #held = new Set<Held>();
  readonly #waiters = new Set<Waiter>();
  /** The oldest comes first. */
  readonly #spares = new Set<Spare>();
  #spareBytes = 0;
  #heldBytes = 0;
  /** For reads that run at this moment. */
  #reservedBytes = 0;
  #waitsTotal = 0;
  #refusalsTotal = 0;
  #dropsTotal = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReadMemoryOptions) {
    this.#options = options;
    this.#softBytes = Math.floor(options.limitBytes * SOFT_SHARE);
  }

  figures(): ReadMemoryFigures {
    return {
      limitBytes: this.#options.limitBytes,
      heldBytes: this.#heldBytes + this.#spareBytes,
      waiting: this.#waiters.size,
      waitsTotal: this.#waitsTotal,
      refusalsTotal: this.#refusalsTotal,
      dropsTotal: this.#dropsTotal,
    };
  }

  /**
   * Room for what one read may find, in order of arrival. A read that is alone always has it.
   * @returns gives the room back: to be called once, when the read has run.
   * @throws UnavailableError after the time limit.
   */
  reserve(bytes: number): Promise<() => void> {
    this.#dropSpares(() => this.#hasRoom(bytes));
    const release = this.tryReserve(bytes);
    if (release !== undefined) return Promise.resolve(release);
    this.#waitsTotal++;
    this.#timer ??= setInterval(() => this.sweep(), SWEEP_MS);
    return new Promise((resolve, reject) => {
      this.#waiters.add({ bytes, sinceMs: this.#options.nowMs(), resolve, reject });
    });
  }

  /** As `reserve`, for what can be done without: undefined where it would have to wait. */
  tryReserve(bytes: number): (() => void) | undefined {
    return this.#waiters.size === 0 && this.#hasRoom(bytes) ? this.#take(bytes) : undefined;
  }

  /**
   * Counts what was found ahead of a reader.
   * @param drop lets go of it; has to call `close`.
   * @returns undefined when there is no room.
   */
  holdSpare(bytes: number, drop: () => void): SpareMemory | undefined {
    if (this.#waiters.size > 0 || !this.#hasRoom(bytes)) return undefined;
    const spare: Spare = {
      bytes,
      drop,
      close: () => {
        if (!this.#spares.delete(spare)) return;
        this.#spareBytes -= bytes;
        this.#admit();
      },
    };
    this.#spares.add(spare);
    this.#spareBytes += bytes;
    return spare;
  }

  /**
   * Counts an answer that its client did not take at once.
   * @param drop ends its connection; has to call `close`.
   */
  hold(bytes: number, drop: () => void): HeldAnswer {
    const held: Held = {
      bytes,
      drop,
      progressMs: this.#options.nowMs(),
      progressed: () => {
        if (!this.#held.delete(held)) return;
        held.progressMs = this.#options.nowMs();
        this.#held.add(held);
      },
      close: () => {
        if (!this.#held.delete(held)) return;
        this.#heldBytes -= bytes;
        this.#admit();
      },
    };
    this.#held.add(held);
    this.#heldBytes += bytes;
    this.#dropSpares(() => this.#heldBytes + this.#spareBytes <= this.#options.limitBytes);
    for (const other of this.#held) {
      if (this.#heldBytes <= this.#options.limitBytes || other === held) break;
      this.#drop(other);
    }
    return held;
  }

  /** Called by its timer while reads wait. */
  sweep(): void {
    const nowMs = this.#options.nowMs();
    for (const held of this.#held) {
      if (this.#waiters.size === 0 || nowMs - held.progressMs < STALL_MS) break;
      this.#drop(held);
    }
    for (const waiter of this.#waiters) {
      if (nowMs - waiter.sinceMs < this.#options.timeoutMs) break;
      this.#waiters.delete(waiter);
      this.#refusalsTotal++;
      waiter.reject(
        new UnavailableError('The memory for reads is exhausted, please try again later'),
      );
    }
    this.#restWhenIdle();
  }

  /** Refuses all reads that wait. */
  stop(): void {
    for (const { reject } of this.#waiters) {
      reject(new UnavailableError('The server is shutting down'));
    }
    this.#waiters.clear();
    this.#restWhenIdle();
  }

  #hasRoom(bytes: number): boolean {
    const used = this.#heldBytes + this.#spareBytes + this.#reservedBytes;
    return used === 0 || used + bytes <= this.#softBytes;
  }

  #take(bytes: number): () => void {
    this.#reservedBytes += bytes;
    return () => {
      this.#reservedBytes -= bytes;
      this.#admit();
    };
  }

  #admit(): void {
    for (const waiter of this.#waiters) {
      if (!this.#hasRoom(waiter.bytes)) return;
      this.#waiters.delete(waiter);
      waiter.resolve(this.#take(waiter.bytes));
    }
    this.#restWhenIdle();
  }

  #dropSpares(isEnough: () => boolean): void {
    for (const spare of this.#spares) {
      if (isEnough()) return;
      spare.drop();
      spare.close();
    }
  }

  #drop(held: Held): void {
    this.#dropsTotal++;
    held.drop();
    held.close();
  }

  #restWhenIdle(): void {
    if (this.#waiters.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
