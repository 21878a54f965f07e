/** Query links (http-api-extras §1): a query, the record of its result that is shown, and until when. */
import type { QuerySpec } from '../query/types.ts';
import type { JsonValue } from '../wire/json.ts';

/** The body of `POST /links/…`; a link carries it. */
export interface LinkDocument {
  readonly bucketName: string;
  /** Queried when the query names no entries. */
  readonly entryName: string;
  readonly recordEntry: string | undefined;
  readonly recordTs: bigint | undefined;
  /** Unix time in seconds; may be negative. */
  readonly expireAtS: number;
  readonly baseUrl: string | undefined;
  readonly isRemoval: boolean;
  /** Member `entries` of the query. */
  readonly patterns: readonly string[] | undefined;
  /** Member `ext` of the query, null for none. */
  readonly ext: JsonValue;
  readonly spec: QuerySpec;
  /** JSON text of the query as it was sent. */
  readonly queryText: string;
}

/** Which record of the result is wanted. */
export interface LinkedRecordId {
  readonly entryName: string;
  readonly ts: bigint;
}
