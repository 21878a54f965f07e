/** Bodies that are read as a whole before anything happens: JSON documents. */
import type { ApiError } from '../errors/errors.ts';
import { BodyIntake } from './body-intake.ts';
import type { IntakeContext } from './body-intake.ts';
import type { Exchange } from './exchange.ts';
import { GrowingBuffer } from './record-content.ts';

/** Largest settings document (http-api §1.6). */
export const MAX_SETTINGS_BYTES: number = 2 * 1024 * 1024;

/** Largest query document; the contract knows no limit, but it is read on the main thread. */
export const MAX_QUERY_BYTES: number = 4 * 1024 * 1024;

const LARGE_BYTES = 65_536;

const utf8 = new TextDecoder('utf-8', { fatal: true });

export interface TextBodyOptions {
  readonly maxBytes: number;
  /** The answer to a longer body. */
  readonly tooLarge: ApiError;
  /** The answer to a body that is not UTF-8. */
  readonly notText: ApiError;
  /**
   * Called before a large body is read: reading it costs time that nobody without a token may cause. May throw. The
   * others are read before the token is looked at (http-api §1.4).
   */
  readonly beforeLarge?: () => void;
}

export class TextBody extends BodyIntake {
  readonly #options: TextBodyOptions;
  readonly #onText: (text: string) => void;
  #content: GrowingBuffer | undefined;
  #receivedBytes = 0;

  /** @param onText called once, unless the body is refused or the connection is gone; may throw. */
  constructor(
    exchange: Exchange,
    context: IntakeContext,
    options: TextBodyOptions,
    onText: (text: string) => void,
  ) {
    super(exchange, context);
    this.#options = options;
    this.#onText = onText;
  }

  protected override onWhole(bytes: Uint8Array): void {
    if (bytes.length > this.#options.maxBytes) this.refuse(this.#options.tooLarge);
    else this.#deliver(bytes);
  }

  onBytes(bytes: Uint8Array): void {
    if (this.isRefused) return;
    this.#receivedBytes += bytes.length;
    if (this.#receivedBytes > this.#options.maxBytes) {
      this.refuse(this.#options.tooLarge);
      return;
    }
    this.#content ??= new GrowingBuffer(this.lease, this.#options.maxBytes);
    if (!this.#content.append(bytes)) this.refuseForMemory();
  }

  protected onComplete(): void {
    this.#deliver(this.#content?.content() ?? new Uint8Array(0));
    this.releaseMemory();
  }

  protected onDropped(): void {
    this.#content = undefined;
  }

  #deliver(bytes: Uint8Array): void {
    let text: string;
    try {
      if (bytes.length > LARGE_BYTES) this.#options.beforeLarge?.();
    } catch (error) {
      this.exchange.fail(error);
      return;
    }
    try {
      text = utf8.decode(bytes);
    } catch {
      this.exchange.fail(this.#options.notText);
      return;
    }
    try {
      this.#onText(text);
    } catch (error) {
      this.exchange.fail(error);
    }
  }
}
