/** The body of `POST …/q` (http-api-records §5.1), with the members of older servers (http-api §6). */

/** [startUs, stopUs), µs. */
export interface TimeRange {
  readonly startUs: bigint;
  readonly stopUs: bigint;
}

/** What a query asks for besides its time; absent members are not sent. */
export interface QueryFilter {
  readonly include?: Readonly<Record<string, string>>;
  readonly exclude?: Readonly<Record<string, string>>;
  readonly eachN?: number;
  readonly eachS?: number;
  readonly limit?: number;
  /** JSON text, sent as it is. */
  readonly whenText?: string;
  readonly strict?: boolean;
  /** JSON text of the parameters of query extensions. */
  readonly extText?: string;
  readonly onlyMetadata?: boolean;
  readonly continuous?: boolean;
  /** Asks for batches of other sizes than the server's own. */
  readonly batch?: BatchWish;
  /** Whole seconds that the server keeps the query between two reads. */
  readonly ttlS?: number;
}

/** Sizes of the answers of a query; servers from 1.17 on go by them (when.md §9). */
export interface BatchWish {
  readonly maxRecords: number;
  readonly maxBytes: number;
  readonly maxHeaderBytes: number;
}

/** First minor version whose conditions know of batches. */
export const BATCH_WISH_SINCE = 17;

/** JSON text; timestamps and the user's own JSON keep every digit. */
export function queryBody(
  type: 'QUERY' | 'REMOVE',
  { startUs, stopUs }: Partial<TimeRange>,
  filter: QueryFilter,
): string {
  const members = [`"query_type":"${type}"`];
  const add = (name: string, text: string | undefined): void => {
    if (text !== undefined) members.push(`"${name}":${text}`);
  };
  add('start', startUs?.toString());
  add('stop', stopUs?.toString());
  add('ttl', textOf(filter.ttlS));
  add('continuous', textOf(filter.continuous));
  add('only_metadata', textOf(filter.onlyMetadata));
  add('include', pairsText(filter.include));
  add('exclude', pairsText(filter.exclude));
  add('each_n', textOf(filter.eachN));
  add('each_s', textOf(filter.eachS));
  add('limit', textOf(filter.limit));
  add('when', filter.batch === undefined ? filter.whenText : withBatchWish(filter, filter.batch));
  add('strict', textOf(filter.strict));
  add('ext', filter.extText);
  return `{${members.join(',')}}`;
}

function textOf(value: number | boolean | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}

function pairsText(pairs: Readonly<Record<string, string>> | undefined): string | undefined {
  if (pairs === undefined || Object.keys(pairs).length === 0) return undefined;
  return JSON.stringify(pairs);
}

/** Directives stand beside the members of a condition. Those of the user win, and so does what is no object. */
function withBatchWish({ whenText }: QueryFilter, wish: BatchWish): string | undefined {
  const own = whenText?.trim() ?? '{}';
  if (!own.startsWith('{') || own.includes('"#batch')) return whenText;
  const directives =
    `"#batch_records":${wish.maxRecords},"#batch_size":${wish.maxBytes},` +
    `"#batch_metadata_size":${wish.maxHeaderBytes}`;
  const rest = own.slice(1).trimStart();
  return rest.startsWith('}') ? `{${directives}${rest}` : `{${directives},${rest}`;
}
