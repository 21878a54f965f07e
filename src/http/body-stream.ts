/**
 * Answers with content: small parts are joined, large records are read chunk by chunk while the socket takes them, so
 * that a slow reader costs one chunk and not a record. What the socket does not take at once counts as memory for reads.
 */
import { heldBytesOf } from '../query/body-buffers.ts';
import type { HeldAnswer } from '../query/read-memory.ts';
import type { RecordReader } from '../query/types.ts';
import { CHUNK_BYTES } from '../store/format.ts';
import type { AbortListener, Exchange } from './exchange.ts';

/** Content in the store that is too large for memory. */
export interface LargePart {
  readonly uploadId: number;
  readonly chunkBytes: number;
  readonly lengthBytes: number;
  /** Both inclusive; absent for the whole content. */
  readonly slice?: { readonly first: number; readonly last: number };
}

export type BodyPart = Uint8Array | LargePart;

/**
 * Answers with `lines` and the parts in order. The connection is dropped when a chunk is missing: its length was
 * promised already.
 * @param lines header lines joined by CRLF, without `content-length`.
 * @param totalBytes length of all parts together.
 */
export function streamAnswer(
  exchange: Exchange,
  records: RecordReader,
  lines: string,
  parts: readonly BodyPart[],
  totalBytes: number,
  status = 200,
): void {
  if (!exchange.isOpen) return;
  if (exchange.isHead) {
    exchange.answerHead(lines, totalBytes, status);
    return;
  }
  const [only] = parts;
  if (totalBytes === 0 || (parts.length === 1 && only instanceof Uint8Array && isSmall(only))) {
    exchange.answer(status, lines, only instanceof Uint8Array ? only : '');
    return;
  }
  new BodyStream(exchange, records, parts, totalBytes, status).start(lines);
}

/** What fits the socket in one go needs no stream; the rest the library would copy into its own buffer. */
function isSmall(part: Uint8Array): boolean {
  return part.length <= 64 * 1024;
}

/** All parts in memory are one buffer, which goes as a whole; of large ones there is a chunk. */
function heldBytes(parts: readonly BodyPart[]): number {
  const hasLarge = parts.some((part) => !(part instanceof Uint8Array));
  return heldBytesOf(parts) + (hasLarge ? CHUNK_BYTES : 0);
}

class BodyStream implements AbortListener {
  readonly #exchange: Exchange;
  readonly #records: RecordReader;
  readonly #parts: readonly BodyPart[];
  readonly #totalBytes: number;
  readonly #status: number;
  #partIndex = 0;
  /** Chunks of the large part under way that were read. */
  #readChunks = 0;
  /** What the socket did not take yet, and the answer's offset of its first byte. */
  #rest: Uint8Array | undefined;
  #restOffset = 0;
  /** From the moment on that the socket is full. */
  #held: HeldAnswer | undefined;
  #isOver = false;

  constructor(
    exchange: Exchange,
    records: RecordReader,
    parts: readonly BodyPart[],
    totalBytes: number,
    status: number,
  ) {
    this.#exchange = exchange;
    this.#records = records;
    this.#parts = parts;
    this.#totalBytes = totalBytes;
    this.#status = status;
  }

  start(lines: string): void {
    const { res } = this.#exchange;
    this.#exchange.abortListener = this;
    res.onWritable((offset) => this.#continue(offset));
    res.cork(() => {
      this.#exchange.begin(this.#status, lines);
      this.#pump();
    });
  }

  onAborted(): void {
    this.#isOver = true;
    this.#rest = undefined;
    this.#held?.close();
  }

  /** @returns true when everything offered was taken. */
  #continue(offset: number): boolean {
    const rest = this.#rest;
    if (rest === undefined || this.#isOver) return true;
    this.#rest = undefined;
    if (offset > this.#restOffset) this.#held?.progressed();
    const isTaken = this.#offer(rest.subarray(offset - this.#restOffset));
    if (isTaken) this.#pump();
    return isTaken;
  }

  /** Inside `cork` or a writable event. */
  #pump(): void {
    while (!this.#isOver) {
      const next = this.#nextJoined();
      if (next !== undefined) {
        if (!this.#offer(next)) return;
        continue;
      }
      const part = this.#parts[this.#partIndex];
      if (part === undefined || part instanceof Uint8Array) return;
      void this.#readChunk(part);
      return;
    }
  }

  /** Parts in memory up to the next large one, at most about `CHUNK_BYTES` at once. */
  #nextJoined(): Uint8Array | undefined {
    const joined: Uint8Array[] = [];
    let bytes = 0;
    for (;;) {
      const part = this.#parts[this.#partIndex];
      if (!(part instanceof Uint8Array) || bytes >= CHUNK_BYTES) break;
      this.#partIndex++;
      if (part.length === 0) continue;
      joined.push(part);
      bytes += part.length;
    }
    return joined.length > 1 ? Buffer.concat(joined, bytes) : joined[0];
  }

  async #readChunk(part: LargePart): Promise<void> {
    const { first, last } = part.slice ?? { first: 0, last: part.lengthBytes - 1 };
    const number = Math.floor(first / part.chunkBytes) + this.#readChunks;
    const chunk = await this.#fetch(part, number);
    if (this.#isOver) return;
    if (chunk === undefined) {
      this.#isOver = true;
      this.#exchange.drop();
      return;
    }
    this.#readChunks++;
    const startByte = number * part.chunkBytes;
    if (startByte + chunk.length > last) {
      this.#partIndex++;
      this.#readChunks = 0;
    }
    const wanted = chunk.subarray(Math.max(0, first - startByte), last + 1 - startByte);
    this.#exchange.res.cork(() => {
      if (this.#offer(wanted)) this.#pump();
    });
  }

  /** @returns undefined when the chunk is gone, cannot be read, or has another length than its place demands. */
  async #fetch(part: LargePart, number: number): Promise<Buffer | undefined> {
    const expected = Math.min(part.chunkBytes, part.lengthBytes - number * part.chunkBytes);
    try {
      const chunk = await this.#records.readChunk(part.uploadId, number);
      if (chunk?.length === expected) return chunk;
    } catch (error) {
      this.#exchange.context.logger.error({ err: error }, 'A chunk of a record cannot be read');
    }
    return undefined;
  }

  /** @returns false when the socket is full: `onWritable` goes on. */
  #offer(bytes: Uint8Array): boolean {
    const { res } = this.#exchange;
    this.#restOffset = res.getWriteOffset();
    const [isTaken, isComplete] = res.tryEnd(bytes, this.#totalBytes);
    if (isComplete) {
      this.#isOver = true;
      this.#held?.close();
      this.#exchange.finished(this.#status);
      return true;
    }
    if (!isTaken) this.#wait(bytes);
    return isTaken;
  }

  #wait(rest: Uint8Array): void {
    this.#rest = rest;
    const { readMemory } = this.#exchange.context;
    this.#held ??= readMemory.hold(heldBytes(this.#parts), () => this.#exchange.drop());
  }
}
