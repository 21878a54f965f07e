/**
 * A body that did not arrive at once: keeps its connection alive while there is progress, holds it back while the
 * receiver is busy or memory is short, and decodes it.
 */
import { ApiError, UnavailableError } from '../errors/errors.ts';
import type { MillraceError } from '../errors/errors.ts';
import { BodyDecoder } from './body-decoder.ts';
import type { Exchange } from './exchange.ts';
import type { ProgressSweep } from './progress-sweep.ts';
import type { UploadLease } from './upload-budget.ts';

export const UPLOAD_MEMORY_TEXT = 'The memory for uploads is exhausted, please try again later';

export interface BodyReceiver {
  /** @param bytes valid during the call. */
  onBytes(bytes: Uint8Array): void;
  onEnd(): void;
  /**
   * Nothing more will be told.
   * @param isReadable false when the rest of the body will not be read: the connection has to be closed.
   */
  onBroken(error: MillraceError, isReadable: boolean): void;
}

export class BodyFlow {
  readonly #exchange: Exchange;
  readonly #sweep: ProgressSweep;
  readonly #lease: UploadLease;
  readonly #receiver: BodyReceiver;
  #decoder: BodyDecoder | undefined;
  /** Reasons of the receiver to hold everything back. */
  #pauses = 0;
  /** Pieces the decoder has not taken yet: only the connection is held back, or the decoder could never empty. */
  #undecoded = 0;
  #progressMs = performance.now();
  /** It has joined those that share the memory. */
  #hasAsked = false;
  /** Since when it waits for memory; 0 when it does not. */
  #waitingSinceMs = 0;
  /** The connection has given the last byte: it belongs to the next request and is never held back any more. */
  #isInputDone = false;
  /** The connection stands because of this body. */
  #isHeld = false;
  #isDiscarding = false;
  #isEnded = false;

  /** @param encoding empty, or one that `encodingRefusal` accepts. */
  constructor(
    exchange: Exchange,
    sweep: ProgressSweep,
    lease: UploadLease,
    receiver: BodyReceiver,
    encoding: string,
  ) {
    this.#exchange = exchange;
    this.#sweep = sweep;
    this.#lease = lease;
    this.#receiver = receiver;
    if (encoding !== '') this.#decoder = new BodyDecoder(encoding, this);
    sweep.add(this);
  }

  /** What `onData` gives. */
  accept(chunk: ArrayBuffer, isLast: boolean): void {
    if (this.#isEnded || !this.#exchange.isOpen) return;
    this.#progressMs = performance.now();
    if (isLast) this.#releaseConnection();
    else this.#steer();
    if (this.#decoder !== undefined) {
      this.#decode(this.#decoder, chunk);
      return;
    }
    if (chunk.byteLength > 0 && !this.#isDiscarding) this.#receiver.onBytes(new Uint8Array(chunk));
    if (isLast) this.#end();
    else this.#askForMemory();
  }

  /** Holds the sender back until as many calls of `resume`. */
  pause(): void {
    if (this.#isDiscarding || this.#isEnded) return;
    this.#pauses++;
    if (this.#pauses > 1) return;
    this.#decoder?.pause();
    this.#steer();
  }

  resume(): void {
    if (this.#isDiscarding || this.#isEnded) return;
    this.#pauses--;
    if (this.#pauses > 0) return;
    this.#progressMs = performance.now();
    this.#steer();
    this.#decoder?.resume();
  }

  /** Further bytes are read and dropped; `onEnd` comes behind the last one, perhaps during this call. */
  discard(): void {
    if (this.#isDiscarding || this.#isEnded) return;
    this.#isDiscarding = true;
    this.#waitingSinceMs = 0;
    this.#decoder?.destroy();
    this.#decoder = undefined;
    this.#pauses = 0;
    this.#undecoded = 0;
    this.#progressMs = performance.now();
    if (this.#isInputDone) this.#end();
    else this.#steer();
  }

  /** Tells nothing any more. */
  stop(): void {
    this.#isEnded = true;
    this.#sweep.delete(this);
    this.#decoder?.destroy();
    this.#decoder = undefined;
  }

  tick(nowMs: number): void {
    if (!this.#exchange.isOpen) {
      this.stop();
      return;
    }
    this.#steer();
    const { timeoutMs } = this.#sweep;
    if (this.#waitingSinceMs !== 0) {
      if (nowMs - this.#waitingSinceMs > timeoutMs) {
        this.#break(new UnavailableError(UPLOAD_MEMORY_TEXT), false);
      }
    } else if (this.#pauses + this.#undecoded === 0 && nowMs - this.#progressMs > timeoutMs) {
      this.#break(new ApiError(400, 'Timeout while receiving data'), false);
    }
  }

  /** For the decoder only. */
  onDecoded(bytes: Uint8Array): void {
    if (!this.#isDiscarding && !this.#isEnded) this.#receiver.onBytes(bytes);
  }

  /** For the decoder only. */
  onDecodedEnd(): void {
    this.#end();
  }

  /** For the decoder only. */
  onDecodeError(message: string): void {
    this.#decoder = undefined;
    this.#receiver.onBroken(
      new ApiError(400, `Error while receiving data chunk: ${message}`),
      true,
    );
  }

  #decode(decoder: BodyDecoder, chunk: ArrayBuffer): void {
    const { byteLength } = chunk;
    if (byteLength > 0) {
      if (!this.#lease.take(byteLength)) {
        this.#receiver.onBroken(new UnavailableError(UPLOAD_MEMORY_TEXT), true);
        return;
      }
      this.#undecoded++;
      this.#steer();
      decoder.write(Buffer.copyBytesFrom(new Uint8Array(chunk)), () => {
        this.#lease.give(byteLength);
        if (this.#isDiscarding || this.#isEnded) return;
        this.#undecoded--;
        this.#progressMs = performance.now();
        this.#steer();
      });
    }
    if (this.#isInputDone) decoder.end();
    else this.#askForMemory();
  }

  /** Behind the first bytes kept: above the soft mark the body waits for its turn. */
  #askForMemory(): void {
    if (this.#hasAsked || this.#isDiscarding || this.#lease.heldBytes === 0) return;
    this.#hasAsked = true;
    const mayGoOn = this.#lease.mayProceed(() => {
      this.#waitingSinceMs = 0;
      this.resume();
    });
    if (mayGoOn) return;
    this.#waitingSinceMs = performance.now();
    this.pause();
  }

  #end(): void {
    if (this.#isEnded) return;
    this.stop();
    this.#receiver.onEnd();
  }

  #break(error: MillraceError, isReadable: boolean): void {
    this.stop();
    this.#receiver.onBroken(error, isReadable);
  }

  /** A connection may still give bytes it had when it was held, the last one among them. */
  #releaseConnection(): void {
    this.#isInputDone = true;
    this.#sweep.delete(this);
    if (this.#isHeld) this.#exchange.res.resume();
    this.#isHeld = false;
  }

  /** Makes the connection flow or stand; either way the library's timer starts anew. */
  #steer(): void {
    const { res, isOpen } = this.#exchange;
    if (!isOpen || this.#isInputDone) return;
    res.pause();
    this.#isHeld = this.#pauses > 0 || this.#undecoded > 0;
    if (!this.#isHeld) res.resume();
  }
}
