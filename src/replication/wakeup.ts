/** A flag that one loop waits for and anybody may raise; raising it while nobody waits is remembered. */
export class Wakeup {
  #isRaised = false;
  #resolve: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  raise(): void {
    this.#isRaised = true;
    this.#release();
  }

  /** Resolves when the flag was raised since the last wait, or after `timeoutMs` (`null`: no limit). */
  wait(timeoutMs: number | null): Promise<void> {
    if (this.#isRaised) {
      this.#isRaised = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#resolve = () => {
        this.#isRaised = false;
        resolve();
      };
      if (timeoutMs !== null) this.#timer = setTimeout(() => this.#release(), timeoutMs);
    });
  }

  #release(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const resolve = this.#resolve;
    this.#resolve = undefined;
    resolve?.();
  }
}
