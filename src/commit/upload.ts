/**
 * A record that arrives in chunks. A marker row exists from the first chunk until the record (or the removal of the
 * chunks) is committed, so that chunks of an upload that a crash interrupted are found and removed at the next start.
 */
import { crashPoint } from '../crash/crash-points.ts';
import { BugError } from '../errors/errors.ts';
import type { MillraceError } from '../errors/errors.ts';
import { CHUNK_BYTES, COLUMN_BLOCKS, COLUMN_META } from '../store/format.ts';
import { chunkKey, uploadKey } from '../store/keys.ts';
import type { RowChange } from './staging.ts';
import type { Upload } from './types.ts';

type StageRows = (rows: readonly RowChange[], done: (error: MillraceError | null) => void) => void;

export class ChunkedUpload implements Upload {
  readonly id: number;
  readonly #stageRows: StageRows;
  #chunks = 0;
  #lengthBytes = 0;
  #isAborted = false;

  constructor(id: number, stageRows: StageRows) {
    this.id = id;
    this.#stageRows = stageRows;
  }

  static markerKey(id: number): Buffer {
    return uploadKey(id);
  }

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  append(chunk: Buffer, done: (error: MillraceError | null) => void): void {
    if (this.#lengthBytes % CHUNK_BYTES !== 0 || chunk.length > CHUNK_BYTES) {
      throw new BugError(`chunk of ${chunk.length} bytes after ${this.#lengthBytes} bytes`);
    }
    const rows: RowChange[] = [
      { column: COLUMN_BLOCKS, key: chunkKey(this.id, this.#chunks), value: chunk },
    ];
    if (this.#chunks === 0) {
      rows.push({ column: COLUMN_META, key: uploadKey(this.id), value: Buffer.alloc(0) });
    }
    this.#chunks++;
    this.#lengthBytes += chunk.length;
    this.#stageRows(rows, (error) => {
      crashPoint('upload-chunk-written');
      done(error);
    });
  }

  abort(): void {
    if (this.#isAborted || this.#chunks === 0) return;
    this.#isAborted = true;
    const rows: RowChange[] = [];
    for (let chunk = 0; chunk < this.#chunks; chunk++) {
      rows.push({ column: COLUMN_BLOCKS, key: chunkKey(this.id, chunk), value: null });
    }
    rows.push({ column: COLUMN_META, key: uploadKey(this.id), value: null });
    // A failed removal leaves the marker, and the next start removes the chunks.
    this.#stageRows(rows, () => undefined);
  }
}
