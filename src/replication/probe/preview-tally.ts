/** Counts what filters let through, and keeps examples. */
import type { BlockView } from '../../store/block.ts';
import type { Labels } from '../../store/labels.ts';
import type { JsonValue } from '../../wire/json.ts';
import { stringifyJson } from '../../wire/json.ts';
import type { Explained, Verdict } from './explain-filter.ts';

const MAX_PASSED_EXAMPLES = 10;
/** Of each reason, so that a frequent one does not hide the others; the newest. */
const MAX_EXAMPLES_PER_REASON = 3;
const MAX_REFUSED_EXAMPLES = 10;
/** Labels of examples longer than this are cut, characters. */
const MAX_LABEL_CHARS = 200;
/** Entries with figures of their own; those with the most records. */
const MAX_ENTRIES = 1_000;
/** Distinct texts of evaluation errors. */
const MAX_ERROR_TEXTS = 20;

/** In the order in which filters are asked. */
const REASONS = [
  'entries',
  'include',
  'exclude',
  'each_n',
  'each_s',
  'when',
  'when_error',
] as const;

interface Sum {
  records: number;
  bytes: number;
}

interface EntrySum {
  readonly all: Sum;
  readonly passed: Sum;
}

interface Example {
  readonly sequence: number;
  readonly index: number;
  readonly entryId: number;
  readonly ts: bigint;
  readonly bytes: number;
  readonly labels: Labels;
  readonly explained: Explained;
}

export class PreviewTally {
  readonly #names: ReadonlyMap<number, string>;
  readonly #all: Sum = { records: 0, bytes: 0 };
  readonly #passed: Sum = { records: 0, bytes: 0 };
  readonly #byReason: Map<Verdict, Sum> = new Map();
  readonly #entries: Map<number, EntrySum> = new Map();
  readonly #errors: Map<string, number> = new Map();
  readonly #examples: Map<Verdict, Example[]> = new Map();
  /** Reasons of refused records, by sequence and row: a later one may bring them in as its context. */
  readonly #refused: Map<number, Map<number, Verdict>> = new Map();
  #firstTs: bigint | null = null;
  #lastTs: bigint | null = null;

  constructor(names: ReadonlyMap<number, string>) {
    this.#names = names;
  }

  add(view: BlockView, index: number, labels: Labels, explained: Explained): void {
    const ts = view.ts(index);
    const bytes = view.length(index);
    if (this.#firstTs === null || ts < this.#firstTs) this.#firstTs = ts;
    if (this.#lastTs === null || ts > this.#lastTs) this.#lastTs = ts;
    const entry = this.#entryOf(view.entryId);
    count(this.#all, bytes);
    count(entry.all, bytes);
    const { verdict, message } = explained;
    if (verdict === 'passed') {
      count(this.#passed, bytes);
      count(entry.passed, bytes);
    } else {
      count(sumOf(this.#byReason, verdict), bytes);
      this.#rememberRefused(view.sequence, index, verdict);
    }
    if (message !== null && (this.#errors.has(message) || this.#errors.size < MAX_ERROR_TEXTS)) {
      this.#errors.set(message, (this.#errors.get(message) ?? 0) + 1);
    }
    const { entryId, sequence } = view;
    this.#keep(verdict, { sequence, index, entryId, ts, bytes, labels, explained });
  }

  /** A record that was refused goes along with a later one. */
  passedLater(view: BlockView, index: number): void {
    const verdict = this.#refused.get(view.sequence)?.get(index);
    if (verdict === undefined) return;
    this.#refused.get(view.sequence)?.delete(index);
    const bytes = view.length(index);
    count(sumOf(this.#byReason, verdict), bytes, -1);
    count(this.#passed, bytes);
    count(this.#entryOf(view.entryId).passed, bytes);
    const kept = this.#examples.get(verdict) ?? [];
    const at = kept.findIndex((known) => known.sequence === view.sequence && known.index === index);
    if (at !== -1) kept.splice(at, 1);
  }

  /** @param isComplete false: the time was over before all records were looked at. */
  toJson(isComplete: boolean, durationMs: number): string {
    const reasons = REASONS.flatMap((reason) => {
      const sum = this.#byReason.get(reason);
      return sum === undefined || sum.records === 0 ? [] : [[reason, sum] as const];
    });
    return stringifyJson(
      jsonOf({
        considered: {
          ...this.#all,
          from: this.#firstTs,
          to: this.#lastTs,
          is_complete: isComplete,
        },
        passed: this.#passed,
        refused: Object.fromEntries(reasons),
        entries: this.#entriesJson(),
        errors: [...this.#errors].map(([message, records]) => ({ message, records })),
        examples: {
          passed: (this.#examples.get('passed') ?? []).map((example) => this.#exampleJson(example)),
          refused: this.#refusedExamples().map((example) => this.#exampleJson(example)),
        },
        duration_ms: Math.round(durationMs),
      }),
    );
  }

  #rememberRefused(sequence: number, index: number, verdict: Verdict): void {
    // Only the condition knows context.
    if (verdict !== 'when' && verdict !== 'when_error') return;
    let rows = this.#refused.get(sequence);
    if (rows === undefined) {
      rows = new Map();
      this.#refused.set(sequence, rows);
    }
    rows.set(index, verdict);
  }

  #keep(verdict: Verdict, example: Example): void {
    const kept = this.#examples.get(verdict) ?? [];
    kept.push(example);
    if (kept.length > (verdict === 'passed' ? MAX_PASSED_EXAMPLES : MAX_EXAMPLES_PER_REASON)) {
      kept.shift();
    }
    this.#examples.set(verdict, kept);
  }

  #entryOf(entryId: number): EntrySum {
    let entry = this.#entries.get(entryId);
    if (entry === undefined) {
      entry = { all: { records: 0, bytes: 0 }, passed: { records: 0, bytes: 0 } };
      this.#entries.set(entryId, entry);
    }
    return entry;
  }

  #entriesJson(): readonly object[] {
    const largest = [...this.#entries].toSorted(([, a], [, b]) => b.all.records - a.all.records);
    return largest
      .slice(0, MAX_ENTRIES)
      .map(([id, { all, passed }]) => ({ entry: this.#names.get(id) ?? '', ...all, passed }))
      .toSorted((a, b) => (a.entry < b.entry ? -1 : 1));
  }

  #refusedExamples(): readonly Example[] {
    const refused = [...this.#examples].filter(([verdict]) => verdict !== 'passed');
    const chosen: Example[] = [];
    for (let round = 1; round <= MAX_EXAMPLES_PER_REASON; round++) {
      // The newest of each reason come first, so that every reason has one.
      for (const [, examples] of refused) {
        const example = examples.at(-round);
        if (example !== undefined && chosen.length < MAX_REFUSED_EXAMPLES) chosen.push(example);
      }
    }
    return chosen;
  }

  #exampleJson({ entryId, ts, bytes, labels, explained }: Example): object {
    const pairs: Record<string, string> = {};
    for (let i = 0; i + 1 < labels.length; i += 2) {
      pairs[labels[i] ?? ''] = (labels[i + 1] ?? '').slice(0, MAX_LABEL_CHARS);
    }
    const entry = this.#names.get(entryId) ?? '';
    const example = { entry, ts, bytes, labels: pairs };
    const { verdict, message } = explained;
    return verdict === 'passed' ? example : { ...example, reason: verdict, message };
  }
}

function sumOf(sums: Map<Verdict, Sum>, verdict: Verdict): Sum {
  let sum = sums.get(verdict);
  if (sum === undefined) {
    sum = { records: 0, bytes: 0 };
    sums.set(verdict, sum);
  }
  return sum;
}

function count(sum: Sum, bytes: number, sign: 1 | -1 = 1): void {
  sum.records += sign;
  sum.bytes += sign * bytes;
}

/** Timestamps are integers of 64 bits, which `JSON.stringify` does not write. */
function jsonOf(value: unknown): JsonValue {
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value === 'object' && value !== null) {
    return new Map(Object.entries(value).map(([name, member]) => [name, jsonOf(member)]));
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') {
    return value;
  }
  return typeof value === 'boolean' ? value : null;
}
