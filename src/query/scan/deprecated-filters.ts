/** The filters of older clients (http-api §6): include, exclude, each_s, each_n, in this order. */
import type { Labels } from '../../store/labels.ts';
import { labelValue } from '../../store/labels.ts';
import type { QueryPlan, SourceState } from '../job.ts';
import type { ScannedRecord } from './scanned-record.ts';

type Settings = Pick<QueryPlan, 'include' | 'exclude' | 'eachUs' | 'eachN'>;
type State = Pick<SourceState, 'eachNSeen' | 'lastKeptTs'>;

/** Filters of one entry in one query; `limit` is not among them, it counts results. */
export class DeprecatedFilters {
  readonly #settings: Settings;
  #eachNSeen: number;
  #lastKeptTs: bigint | undefined;
  /** Records of a block share their labels: one verdict serves all of them. */
  #judgedLabels: Labels | undefined;
  #passesLabels = true;

  constructor(settings: Settings, state: State | undefined) {
    this.#settings = settings;
    this.#eachNSeen = state?.eachNSeen ?? 0;
    this.#lastKeptTs = state?.lastKeptTs;
  }

  /** Whether the filters remember anything between records. */
  static isStateful({ eachUs, eachN }: Settings): boolean {
    return eachUs !== undefined || eachN !== undefined;
  }

  /** A record that one filter refuses is not seen by the ones after it. */
  accept(record: ScannedRecord): boolean {
    return this.#acceptLabels(record) && this.#acceptTime(record.timestamp) && this.#acceptCount();
  }

  state(): State {
    return { eachNSeen: this.#eachNSeen, lastKeptTs: this.#lastKeptTs };
  }

  #acceptLabels(record: ScannedRecord): boolean {
    const { labels } = record.meta;
    if (labels !== this.#judgedLabels) {
      const { include, exclude } = this.#settings;
      this.#judgedLabels = labels;
      this.#passesLabels =
        hasAllPairs(labels, include) && (exclude.length === 0 || !hasAllPairs(labels, exclude));
    }
    return this.#passesLabels;
  }

  /** Keeps the first record, then each that is at least the interval after the last one kept. */
  #acceptTime(ts: bigint): boolean {
    const { eachUs } = this.#settings;
    if (eachUs === undefined) return true;
    if (this.#lastKeptTs !== undefined && ts - this.#lastKeptTs < eachUs) return false;
    this.#lastKeptTs = ts;
    return true;
  }

  /** Keeps the 1st, n+1st, 2n+1st … record. */
  #acceptCount(): boolean {
    const { eachN } = this.#settings;
    if (eachN === undefined) return true;
    const isKept = this.#eachNSeen === 0;
    this.#eachNSeen = (this.#eachNSeen + 1) % eachN;
    return isKept;
  }
}

/** All pairs equal, as text. An empty list is fulfilled. */
function hasAllPairs(labels: Labels, wanted: Labels): boolean {
  for (let i = 0; i + 1 < wanted.length; i += 2) {
    if (labelValue(labels, wanted[i] ?? '') !== wanted[i + 1]) return false;
  }
  return true;
}
