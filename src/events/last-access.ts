/**
 * When a token was last used, by its newest audit record (http-api §3.5). Known from the records written since the
 * start; for a token without one, the store is asked once.
 */
import type { Bucket, Entry } from '../catalog/model.ts';
import type { RecordData } from '../query/types.ts';
import { SYSTEM_BUCKET, eventEntryName } from './entry-name.ts';

export interface LastAccessOptions {
  readonly catalog: { findBucket(name: string): Pick<Bucket, 'entries'> | undefined };
  readonly records: { read(entry: Entry, ts: undefined): RecordData };
  readonly instanceName: string;
}

/** Tokens remembered; beyond it all are forgotten and the store is asked again. */
const MAX_TOKENS = 65_536;

export class LastAccess {
  readonly #options: LastAccessOptions;
  /** 0 for tokens that have no record. */
  readonly #newestUs = new Map<string, number>();

  constructor(options: LastAccessOptions) {
    this.#options = options;
  }

  /** An audit record of the token is durable. */
  note(tokenName: string, timestampUs: number): void {
    const known = this.#newestUs.get(tokenName);
    if (known === undefined || known < timestampUs) this.#remember(tokenName, timestampUs);
  }

  /** Milliseconds since the epoch; undefined without a record. */
  of(tokenName: string): number | undefined {
    let newestUs = this.#newestUs.get(tokenName);
    if (newestUs === undefined) {
      newestUs = this.#stored(tokenName);
      this.#remember(tokenName, newestUs);
    }
    return newestUs === 0 ? undefined : Math.floor(newestUs / 1000);
  }

  #remember(tokenName: string, newestUs: number): void {
    if (this.#newestUs.size >= MAX_TOKENS) this.#newestUs.clear();
    this.#newestUs.set(tokenName, newestUs);
  }

  #stored(tokenName: string): number {
    const { catalog, records, instanceName } = this.#options;
    const name = eventEntryName('audit', instanceName, tokenName);
    const entry = catalog.findBucket(SYSTEM_BUCKET)?.entries.get(name);
    if (entry === undefined || !entry.isDurable || entry.stats.recordCount === 0) return 0;
    try {
      const { payload, ts } = records.read(entry, undefined);
      // Names that differ only in replaced characters share an entry.
      const isOfToken = payload !== undefined && tokenNameIn(payload) === tokenName;
      return isOfToken ? Number(ts) : 0;
    } catch {
      // The record was removed, or somebody wrote one there that is none of ours.
      return 0;
    }
  }
}

function tokenNameIn(content: Uint8Array): unknown {
  const document: unknown = JSON.parse(Buffer.from(content).toString());
  if (typeof document !== 'object' || document === null) return undefined;
  return 'token_name' in document ? document.token_name : undefined;
}
