/** Which labels of a record are returned. */
import type { RecordMeta } from '../../store/record-meta.ts';
import type { Labels } from '../../store/labels.ts';

/** `#select_labels`: drops all other labels. */
export class LabelProjection {
  readonly #selected: ReadonlySet<string> | undefined;
  /** By decoded meta, which the records of a block share. */
  readonly #known = new WeakMap<RecordMeta, Labels>();

  constructor(selected: ReadonlySet<string> | undefined) {
    this.#selected = selected;
  }

  apply(meta: RecordMeta): Labels {
    if (this.#selected === undefined) return meta.labels;
    const known = this.#known.get(meta);
    if (known !== undefined) return known;
    const labels: string[] = [];
    for (let i = 0; i + 1 < meta.labels.length; i += 2) {
      const name = meta.labels[i] ?? '';
      if (this.#selected.has(name)) labels.push(name, meta.labels[i + 1] ?? '');
    }
    this.#known.set(meta, labels);
    return labels;
  }
}
