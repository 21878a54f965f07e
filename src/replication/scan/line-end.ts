/** The end of header lines of records with equal content type and labels. */
export class LineEnd {
  readonly #tail: string;
  #lengthBytes = -1;
  #text = '';

  /** @param tail `,<content type>[,<label>=<value>…]`. */
  constructor(tail: string) {
    this.#tail = tail;
  }

  /** `: <length><tail>` of a record; sensors repeat lengths, too. */
  of(lengthBytes: number): string {
    if (lengthBytes !== this.#lengthBytes) {
      this.#lengthBytes = lengthBytes;
      this.#text = `: ${lengthBytes}${this.#tail}`;
    }
    return this.#text;
  }
}
