/** Bytes of content in memory, bounded over all entries; policy when full: `wait`, in order of asking. */
export class ByteBudget {
  readonly #limitBytes: number;
  #usedBytes = 0;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** A request beyond the whole budget is let through when nothing else is in memory. */
  async acquire(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#usedBytes += bytes;
      return;
    }
    await new Promise<void>((go) => this.#waiting.push({ bytes, go }));
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!this.#fits(next.bytes)) return;
      this.#waiting.shift();
      this.#usedBytes += next.bytes;
      next.go();
    }
  }

  #fits(bytes: number): boolean {
    return this.#usedBytes === 0 || this.#usedBytes + bytes <= this.#limitBytes;
  }
}

/** What one entry holds of a budget; what an error leaves behind is given back with `close`. */
export class BudgetLease {
  readonly #budget: ByteBudget;
  #heldBytes = 0;
  #isClosed = false;

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  async acquire(bytes: number): Promise<void> {
    await this.#budget.acquire(bytes);
    if (this.#isClosed) this.#budget.release(bytes);
    else this.#heldBytes += bytes;
  }

  release(bytes: number): void {
    if (this.#isClosed) return;
    this.#heldBytes -= bytes;
    this.#budget.release(bytes);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#budget.release(this.#heldBytes);
  }
}
