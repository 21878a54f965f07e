/** Labels of batch protocol v2, written as differences to those of the record before (http-api-records §6.1). */
import { ApiError } from '../errors/errors.ts';
import { NO_LABELS, sameLabels } from '../store/labels.ts';
import type { Labels } from '../store/labels.ts';

/** What becomes of a label with an empty value: a write has no such label, an update removes it. */
export type EmptyValues = 'absent' | 'removed';

/** Results that are compared with a new one, so that equal labels become one array. */
const RECENT_LABELS = 8;

/**
 * The label differences of one request. Sensors go to and fro between a few sets of labels, so what a difference makes
 * of known labels is remembered, and equal results are one array.
 */
export class LabelDeltas {
  readonly #labelNames: readonly string[] | undefined;
  readonly #emptyValues: EmptyValues;
  readonly #known = new Map<Labels, Map<string, Labels>>();
  readonly #recent: Labels[] = [];

  /** @param labelNames from `x-reduct-labels`; when given, a name of only digits is an index into it. */
  constructor(labelNames: readonly string[] | undefined, emptyValues: EmptyValues = 'absent') {
    this.#labelNames = labelNames;
    this.#emptyValues = emptyValues;
  }

  /** @throws ApiError 422. */
  apply(before: Labels, delta: string): Labels {
    let byDelta = this.#known.get(before);
    if (byDelta === undefined) {
      byDelta = new Map();
      this.#known.set(before, byDelta);
    }
    let labels = byDelta.get(delta);
    if (labels === undefined) {
      labels = this.#shared(applyDelta(delta, before, this.#labelNames, this.#emptyValues));
      byDelta.set(delta, labels);
    }
    return labels;
  }

  #shared(labels: Labels): Labels {
    for (const known of this.#recent) if (sameLabels(known, labels)) return known;
    if (this.#recent.length === RECENT_LABELS) this.#recent.shift();
    this.#recent.push(labels);
    return labels;
  }
}

function applyDelta(
  text: string,
  before: Labels,
  labelNames: readonly string[] | undefined,
  emptyValues: EmptyValues,
): Labels {
  const labels = new Map<string, string>();
  for (let i = 0; i + 1 < before.length; i += 2) labels.set(before[i] ?? '', before[i + 1] ?? '');
  let at = skipSeparators(text, 0);
  while (at < text.length) {
    const equals = text.indexOf('=', at);
    if (equals === -1) throw invalidBatchedHeader();
    const name = resolveLabelName(text.slice(at, equals).trim(), labelNames);
    let value: string;
    if (text[equals + 1] === '"') {
      const quote = text.indexOf('"', equals + 2);
      if (quote === -1) throw invalidBatchedHeader();
      value = text.slice(equals + 2, quote).trim();
      at = skipSeparators(text, quote + 1);
    } else {
      const comma = text.indexOf(',', equals + 1);
      const end = comma === -1 ? text.length : comma;
      value = text.slice(equals + 1, end).trim();
      at = skipSeparators(text, end);
    }
    if (value === '' && emptyValues === 'absent') labels.delete(name);
    else labels.set(name, value);
  }
  return labels.size === 0 ? NO_LABELS : [...labels].flat();
}

function skipSeparators(text: string, from: number): number {
  let at = from;
  while (text[at] === ',' || text[at] === ' ' || text[at] === '\t') at++;
  return at;
}

function resolveLabelName(key: string, labelNames: readonly string[] | undefined): string {
  let name = key;
  if (labelNames !== undefined && /^[0-9]+$/.test(key)) {
    const known = labelNames[Number(key)];
    if (known === undefined) throw new ApiError(422, `Label index '${key}' is out of range`);
    name = known;
  }
  if (name.startsWith('@')) {
    throw new ApiError(422, "Label names must not start with '@': reserved for computed labels");
  }
  return name;
}

export function invalidBatchedHeader(): ApiError {
  return new ApiError(422, 'Invalid batched header');
}
