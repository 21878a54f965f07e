/** Content type and labels, decoded once per distinct value: sensors repeat them in every record. */
import type { RecordMeta } from './record-meta.ts';

/** Distinct metas kept; policy when full: `forget_all`. */
const MAX_METAS = 4096;
/** Longer ones are decoded each time: they would crowd out the others, and repeat less often. */
const MAX_KEPT_BYTES = 1024;

export class MetaPool {
  readonly #known = new Map<string, RecordMeta>();

  /**
   * The meta that lies in `bytes` at [start, end); equal bytes give the identical object, mostly.
   * @param decode reads it where it is not known.
   */
  of(
    bytes: Buffer,
    start: number,
    end: number,
    decode: (bytes: Buffer, start: number) => RecordMeta,
  ): RecordMeta {
    if (end - start > MAX_KEPT_BYTES) return decode(bytes, start);
    const key = bytes.toString('latin1', start, end);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const meta = decode(bytes, start);
    if (this.#known.size >= MAX_METAS) this.#known.clear();
    this.#known.set(key, meta);
    return meta;
  }
}
