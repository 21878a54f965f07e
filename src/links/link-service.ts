/** Making and opening query links (http-api-extras §1). Main thread only; links leave no trace in the store. */
import type { LinkToken, LinkTokens } from '../auth/types.ts';
import type { Bucket } from '../catalog/model.ts';
import { ApiError } from '../errors/errors.ts';
import { ByteLru } from '../query/byte-lru.ts';
import type { RecordData, RecordReader } from '../query/types.ts';
import type { Labels } from '../store/labels.ts';
import { notInResult } from './find-record.ts';
import type { FoundRecord, RecordFinder } from './find-record.ts';
import { openSealed, sealText } from './seal.ts';
import type { LinkDocument, LinkedRecordId } from './types.ts';

/** Found records remembered: seeking in a video opens the same link again and again. */
const MAX_CACHE_BYTES = 512 * 1024;
/** How long a record that stopped to match the query may still be shown. */
const CACHE_MS = 60_000;
/** Of an item beside its texts. */
const ITEM_BYTES = 512;

export interface LinkServiceOptions {
  readonly tokens: LinkTokens;
  readonly finder: Pick<RecordFinder, 'find'>;
  readonly records: RecordReader;
  /** A monotonic clock. */
  readonly nowMs: () => number;
  readonly maxCacheBytes?: number;
}

export interface OpenedLink {
  readonly token: LinkToken;
  /** What was sealed. */
  readonly text: string;
  /** Names this link in the cache. */
  readonly key: string;
}

interface CachedRecord {
  readonly found: FoundRecord;
  readonly untilMs: number;
}

interface Search {
  readonly result: Promise<FoundRecord>;
  /** Those who wait for it: it goes on while one of them is still there. */
  readonly isWanted: (() => boolean)[];
}

export class LinkService {
  readonly #options: LinkServiceOptions;
  readonly #found: ByteLru<string, CachedRecord>;
  readonly #searches = new Map<string, Search>();

  constructor(options: LinkServiceOptions) {
    this.#options = options;
    this.#found = new ByteLru(options.maxCacheBytes ?? MAX_CACHE_BYTES);
  }

  /** @returns the query string of a link that carries `text`. @throws ApiError 404 when the token is gone. */
  seal(tokenName: string, text: string): string {
    const token = this.#token(tokenName);
    const { ct, s, n } = sealText(text, token.linkSecret, tokenName);
    return `ct=${ct}&s=${s}&i=${encodeURIComponent(tokenName)}&n=${n}`;
  }

  /** @param parameters of the query string. @throws ApiError 422, 404 in the order of http-api-extras §1.2. */
  open(parameters: ReadonlyMap<string, string>): OpenedLink {
    const ct = required(parameters, 'ct');
    const s = required(parameters, 's');
    const n = required(parameters, 'n');
    const token = this.#token(required(parameters, 'i'));
    const text = openSealed({ ct, s, n }, token.linkSecret, token.tokenName);
    return { token, text, key: `${s}.${n}.${token.tokenName}` };
  }

  /**
   * The record as the query of the link shows it. Searches for the same one are made once, and their outcome is
   * remembered for a minute; content is always read anew.
   * @param key of the opened link. @param isWanted false when nobody waits any more.
   * @throws ApiError 404, 409, and those of the query.
   */
  async read(
    bucket: Bucket,
    key: string,
    document: LinkDocument,
    record: LinkedRecordId,
    isWanted: () => boolean,
  ): Promise<RecordData> {
    const { entry, ts, selectedLabels } = await this.#find(bucket, key, document, record, isWanted);
    try {
      const data = this.#options.records.read(entry, ts);
      return { ...data, labels: onlySelected(data.labels, selectedLabels) };
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) throw notInResult(record);
      throw error;
    }
  }

  #token(name: string): LinkToken {
    const token = this.#options.tokens.linkToken(name);
    if (token === undefined) throw new ApiError(404, `Token '${name}' doesn't exist`);
    return token;
  }

  async #find(
    bucket: Bucket,
    linkKey: string,
    document: LinkDocument,
    record: LinkedRecordId,
    isWanted: () => boolean,
  ): Promise<FoundRecord> {
    const { nowMs } = this.#options;
    const key = `${linkKey}.${record.ts}.${record.entryName}`;
    const cached = this.#found.get(key);
    if (
      cached !== undefined &&
      cached.untilMs > nowMs() &&
      isCurrent(cached.found, bucket, record)
    ) {
      return cached.found;
    }
    const found = await this.#searchOnce(key, bucket, document, record, isWanted);
    const bytes = ITEM_BYTES + 2 * key.length;
    this.#found.set(key, { found, untilMs: nowMs() + CACHE_MS }, bytes);
    return found;
  }

  #searchOnce(
    key: string,
    bucket: Bucket,
    document: LinkDocument,
    record: LinkedRecordId,
    isWanted: () => boolean,
  ): Promise<FoundRecord> {
    const running = this.#searches.get(key);
    if (running !== undefined) {
      running.isWanted.push(isWanted);
      return running.result;
    }
    const wanted = [isWanted];
    const isStillWanted = (): boolean => wanted.some((ask) => ask());
    const result = this.#options.finder.find(bucket, document, record, isStillWanted);
    this.#searches.set(key, { result, isWanted: wanted });
    const forget = (): void => void this.#searches.delete(key);
    result.then(forget, forget);
    return result;
  }
}

/** Neither renamed, nor removed, nor another one of the same name. */
function isCurrent({ entry }: FoundRecord, bucket: Bucket, { entryName }: LinkedRecordId): boolean {
  return bucket.entries.get(entryName) === entry && entry.status === 'READY';
}

function required(parameters: ReadonlyMap<string, string>, name: string): string {
  const value = parameters.get(name);
  if (value === undefined) throw new ApiError(422, `Missing '${name}' parameter`);
  return value;
}

function onlySelected(labels: Labels, selected: ReadonlySet<string> | undefined): Labels {
  if (selected === undefined) return labels;
  const kept: string[] = [];
  for (let i = 0; i + 1 < labels.length; i += 2) {
    const name = labels[i] ?? '';
    if (selected.has(name)) kept.push(name, labels[i + 1] ?? '');
  }
  return kept;
}
