/**
 * The bound on memory held by bodies that did not arrive at once.
 *
 * Every such body has a lease. Below the soft mark (three quarters of the limit) everything goes on. Above it, a body
 * that just began waits after its first bytes, with its connection paused, until memory was freed; bodies already
 * under way go on, so that they end and free it. What would exceed the limit is refused (503) and its memory freed.
 *
 * Why this cannot deadlock: only beginners wait, and when no lease is under way the oldest waiting one goes on,
 * whatever the marks say. Why it cannot exceed: every byte is taken before it is held, and `take` alone counts up.
 */

/** Below this limit one body above 1 MiB could not be received. */
export const MIN_UPLOAD_LIMIT_BYTES: number = 4 * 1024 * 1024;

export interface UploadBudgetFigures {
  readonly limitBytes: number;
  readonly heldBytes: number;
  readonly waiting: number;
  /** Since the start: bodies that had to wait, and that were refused. */
  readonly waitsTotal: number;
  readonly refusalsTotal: number;
}

/** Memory of one body. */
export interface UploadLease {
  readonly heldBytes: number;
  /** @returns false at the limit: the body has to be refused. */
  take(bytes: number): boolean;
  give(bytes: number): void;
  /**
   * To ask once, after the first `take`.
   * @returns false when the body has to wait; `onProceed` is called when it may go on.
   */
  mayProceed(onProceed: () => void): boolean;
  /** Gives everything back and leaves the queue. Safe to call twice. */
  close(): void;
}

type LeaseState = 'new' | 'waiting' | 'active' | 'closed';

export class UploadBudget {
  readonly #limitBytes: number;
  readonly #softBytes: number;
  /** In order of arrival; a Set, because a body may leave before its turn. */
  readonly #queue = new Set<Lease>();
  #heldBytes = 0;
  #activeCount = 0;
  #waitsTotal = 0;
  #refusalsTotal = 0;

  /** @param limitBytes hard mark; raised to `MIN_UPLOAD_LIMIT_BYTES`. */
  constructor(limitBytes: number) {
    this.#limitBytes = Math.max(limitBytes, MIN_UPLOAD_LIMIT_BYTES);
    this.#softBytes = Math.floor(this.#limitBytes * 0.75);
  }

  openLease(): UploadLease {
    return new Lease(this);
  }

  figures(): UploadBudgetFigures {
    return {
      limitBytes: this.#limitBytes,
      heldBytes: this.#heldBytes,
      waiting: this.#queue.size,
      waitsTotal: this.#waitsTotal,
      refusalsTotal: this.#refusalsTotal,
    };
  }

  /** For leases only. */
  reserve(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.#limitBytes) {
      this.#refusalsTotal++;
      return false;
    }
    this.#heldBytes += bytes;
    return true;
  }

  /** For leases only. */
  admit(lease: Lease): boolean {
    if (this.#heldBytes <= this.#softBytes || this.#activeCount === 0) {
      this.#activeCount++;
      return true;
    }
    this.#queue.add(lease);
    this.#waitsTotal++;
    return false;
  }

  /** For leases only. */
  free(bytes: number, leaving: Lease | undefined, wasActive: boolean): void {
    this.#heldBytes -= bytes;
    if (leaving !== undefined) this.#queue.delete(leaving);
    if (wasActive) this.#activeCount--;
    for (const lease of this.#queue) {
      if (this.#heldBytes > this.#softBytes && this.#activeCount > 0) return;
      this.#queue.delete(lease);
      this.#activeCount++;
      lease.proceed();
    }
  }
}

class Lease implements UploadLease {
  readonly #budget: UploadBudget;
  #state: LeaseState = 'new';
  #heldBytes = 0;
  #onProceed: (() => void) | undefined;

  constructor(budget: UploadBudget) {
    this.#budget = budget;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  take(bytes: number): boolean {
    if (this.#state === 'closed' || !this.#budget.reserve(bytes)) return false;
    this.#heldBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    if (this.#state === 'closed') return;
    this.#heldBytes -= bytes;
    this.#budget.free(bytes, undefined, false);
  }

  mayProceed(onProceed: () => void): boolean {
    if (this.#state !== 'new') return true;
    if (this.#budget.admit(this)) {
      this.#state = 'active';
      return true;
    }
    this.#state = 'waiting';
    this.#onProceed = onProceed;
    return false;
  }

  proceed(): void {
    this.#state = 'active';
    const onProceed = this.#onProceed;
    this.#onProceed = undefined;
    onProceed?.();
  }

  close(): void {
    if (this.#state === 'closed') return;
    const wasActive = this.#state === 'active';
    this.#state = 'closed';
    this.#onProceed = undefined;
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    this.#budget.free(bytes, this, wasActive);
  }
}
