/** `POST /b/:bucket/:entry?ts=`: the path that sensors use. Nothing is allocated here that a request does not need. */
import type { Entry } from '../catalog/model.ts';
import type { Ingest, WriteSink } from '../commit/types.ts';
import { ApiError } from '../errors/errors.ts';
import type { MillraceError } from '../errors/errors.ts';
import { CHUNK_BYTES } from '../store/format.ts';
import type { Labels } from '../store/labels.ts';
import { BodyIntake } from './body-intake.ts';
import type { IntakeContext } from './body-intake.ts';
import type { Exchange } from './exchange.ts';
import { GrowingBuffer, LargeContent } from './record-content.ts';

/** The record as its request announces it. */
export interface AnnouncedRecord {
  readonly entry: Entry;
  readonly ts: bigint;
  readonly lengthBytes: number;
  readonly contentType: string;
  readonly labels: Labels;
  /** Path of replication that it came by. */
  readonly path: string;
}

const NO_BYTES = new Uint8Array(0);

export class SingleWrite extends BodyIntake implements WriteSink {
  readonly #ingest: Ingest;
  readonly #record: AnnouncedRecord;
  #small: GrowingBuffer | undefined;
  #large: LargeContent | undefined;
  #receivedBytes = 0;
  #isStaged = false;
  #isBodyComplete = false;
  #isUploaded = false;

  constructor(exchange: Exchange, context: IntakeContext, ingest: Ingest, record: AnnouncedRecord) {
    super(exchange, context);
    this.#ingest = ingest;
    this.#record = record;
  }

  protected override onWhole(bytes: Uint8Array): void {
    const { lengthBytes } = this.#record;
    if (bytes.length === lengthBytes) this.#stage(bytes);
    else this.refuse(sizeMismatch(bytes.length, lengthBytes));
  }

  onBytes(bytes: Uint8Array): void {
    if (this.isRefused) return;
    const { lengthBytes } = this.#record;
    this.#receivedBytes += bytes.length;
    if (this.#receivedBytes > lengthBytes) {
      this.refuse(sizeMismatch(this.#receivedBytes, lengthBytes));
    } else if (!this.#keep(bytes)) {
      this.refuseForMemory();
    }
  }

  protected onComplete(): void {
    this.#isBodyComplete = true;
    const { lengthBytes } = this.#record;
    if (this.#receivedBytes < lengthBytes) {
      this.refuse(sizeMismatch(this.#receivedBytes, lengthBytes));
    } else if (lengthBytes === 0) {
      this.#stage(NO_BYTES);
    } else if (this.#small !== undefined) {
      this.#stage(this.#small.content());
      this.releaseMemory();
    } else if (this.#isUploaded) {
      this.#stageUpload();
    }
  }

  protected onDropped(): void {
    this.#large?.abort();
  }

  onWritten(_tag: number, error: MillraceError | null): void {
    if (error === null) this.exchange.ok();
    else this.exchange.fail(error);
  }

  #keep(bytes: Uint8Array): boolean {
    const { lengthBytes } = this.#record;
    if (lengthBytes <= CHUNK_BYTES) {
      this.#small ??= new GrowingBuffer(this.lease, lengthBytes);
      return this.#small.append(bytes);
    }
    const { flow } = this;
    if (flow === undefined) return false;
    this.#large ??= new LargeContent(this.#ingest, this.lease, flow, lengthBytes, (error) => {
      this.#onUploaded(error);
    });
    return this.#large.append(bytes);
  }

  #onUploaded(error: MillraceError | null): void {
    if (error !== null) {
      this.refuse(error);
      return;
    }
    this.#isUploaded = true;
    if (this.#isBodyComplete) this.#stageUpload();
  }

  #stage(payload: Uint8Array): void {
    if (this.#isStaged) return;
    this.#isStaged = true;
    const { entry, ts, contentType, labels, path } = this.#record;
    this.#ingest.stage(entry, ts, contentType, labels, payload, this, 0, path);
  }

  #stageUpload(): void {
    this.releaseMemory();
    if (this.#large === undefined || this.#isStaged) return;
    this.#isStaged = true;
    const { entry, ts, contentType, labels, path } = this.#record;
    const upload = this.#large.handOver();
    this.#ingest.stageUpload(entry, ts, contentType, labels, upload, this, 0, path);
  }
}

/** Only possible with chunked or compressed bodies (http-api-records §1.4). */
function sizeMismatch(receivedBytes: number, lengthBytes: number): ApiError {
  const word = receivedBytes > lengthBytes ? 'bigger' : 'smaller';
  return new ApiError(400, `Content is ${word} than in content-length`);
}
