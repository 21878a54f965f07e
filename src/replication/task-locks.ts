/** Changes of one task come one after the other, by its name; a change of all tasks comes alone. */
export class TaskLocks {
  /** Of each name the change that was asked for last. */
  readonly #last: Map<string, Promise<unknown>> = new Map();
  /** The last change of all. */
  #all: Promise<unknown> = Promise.resolve();

  /** Runs the change when the earlier ones of this name are over, however they ended. */
  async one<T>(name: string, change: () => Promise<T>): Promise<T> {
    const mine = after([this.#last.get(name) ?? this.#all, this.#all], change);
    this.#last.set(name, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(name) === mine) this.#last.delete(name);
    }
  }

  /** Runs the change when all earlier ones are over; later ones wait for it. */
  all<T>(change: () => Promise<T>): Promise<T> {
    const mine = after([...this.#last.values(), this.#all], change);
    this.#all = mine.catch(() => undefined);
    return mine;
  }
}

async function after<T>(
  earlier: readonly Promise<unknown>[],
  change: () => Promise<T>,
): Promise<T> {
  await Promise.allSettled(earlier);
  return change();
}
