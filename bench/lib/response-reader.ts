const STATUS_OFFSET = 'HTTP/1.1 '.length;
const HEAD_END = '\r\n\r\n';
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;

/** Reads as much of an HTTP/1.1 answer as tells its status and its end. Answers must have a `content-length` or no body. */
export class ResponseReader {
  /** Status and header lines of the last answer that was completed. */
  head = '';
  readonly #hasBodies: boolean;
  #unread = '';
  #status = 0;
  #bodyBytes = -1;

  /** @param hasBodies false for answers to HEAD, whose `content-length` is no promise */
  constructor(hasBodies: boolean = true) {
    this.#hasBodies = hasBodies;
  }

  /** @param bytes how much of `buffer` is new. @returns the status when it completes an answer, else undefined */
  push(buffer: Buffer, bytes: number): number | undefined {
    let offset = 0;
    if (this.#bodyBytes < 0) {
      // Only the head becomes text: of a read most is body, and this generator shares the cores with the server.
      const found = this.#unread === '' ? buffer.indexOf(HEAD_END, 0, 'latin1') : -1;
      const isWhole = found >= 0 && found + HEAD_END.length <= bytes;
      const text = buffer.toString('latin1', 0, isWhole ? found + HEAD_END.length : bytes);
      const before = this.#unread.length;
      this.#unread += text;
      const end = this.#unread.indexOf(HEAD_END, Math.max(0, before - HEAD_END.length));
      if (end < 0) return undefined;
      this.head = this.#unread.slice(0, end);
      this.#status = Number(this.head.slice(STATUS_OFFSET, STATUS_OFFSET + 3));
      this.#bodyBytes = this.#hasBodies ? Number(CONTENT_LENGTH.exec(this.head)?.[1] ?? 0) : 0;
      offset = end + HEAD_END.length - before;
      this.#unread = '';
    }
    this.#bodyBytes -= bytes - offset;
    if (this.#bodyBytes > 0) return undefined;
    this.#bodyBytes = -1;
    return this.#status;
  }
}
