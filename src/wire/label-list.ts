/** Collecting labels while a header is parsed, and writing one pair; shared by both batch protocols. */
import { NO_LABELS } from '../store/labels.ts';
import type { Labels } from '../store/labels.ts';

/** Up to this many labels a linear search for the name is cheaper than a map. */
const LINEAR_LABELS = 16;

/** Collects pairs in order of first arrival; a repeated name takes the last value. */
export class LabelCollector {
  readonly #flat: string[] = [];
  #positions: Map<string, number> | undefined;

  set(name: string, value: string): void {
    const at = this.#find(name);
    if (at !== undefined) {
      this.#flat[at + 1] = value;
      return;
    }
    this.#positions?.set(name, this.#flat.length);
    this.#flat.push(name, value);
  }

  finish(): Labels {
    return this.#flat.length === 0 ? NO_LABELS : this.#flat;
  }

  #find(name: string): number | undefined {
    const flat = this.#flat;
    if (flat.length > LINEAR_LABELS * 2) {
      this.#positions ??= indexPositions(flat);
      return this.#positions.get(name);
    }
    for (let i = 0; i < flat.length; i += 2) {
      if (flat[i] === name) return i;
    }
    return undefined;
  }
}

function indexPositions(flat: readonly string[]): Map<string, number> {
  const positions = new Map<string, number>();
  for (let i = 0; i < flat.length; i += 2) positions.set(flat[i] ?? '', i);
  return positions;
}

/** Adds `name=value` to `pairs`; the value is quoted iff it holds a comma (there is no escape). */
export function appendLabel(pairs: string[], name: string, value: string): void {
  pairs.push(value.includes(',') ? `${name}="${value}"` : `${name}=${value}`);
}
