/** Where the entries of worker threads lie: always in the build, also when this module runs from its source. */

const BUILD_ROOT: URL = import.meta.url.endsWith('.ts')
  ? new URL('../../dist/', import.meta.url)
  : new URL('../../', import.meta.url);

/** Thread of replication slices. */
export const REPLICATE_WORKER_URL: URL = new URL('workers/replicate.js', BUILD_ROOT);

/** Thread of queries. */
export const QUERY_WORKER_URL: URL = new URL('workers/query.js', BUILD_ROOT);
