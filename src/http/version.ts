/** What this server announces to clients and to replication sources. */
import { API_VERSION, SERVER_VERSION } from '../config/version.ts';

/**
 * Value of `x-reduct-api`. A source takes 1.21 as a promise that zstd and gzip bodies are understood (replication §5.4);
 * `body-decoder.ts` keeps it on every supported version of Node.js.
 */
export const ANNOUNCED_API_VERSION: string = API_VERSION;

/** Version in `server` and `/info`. */
export const ANNOUNCED_SERVER_VERSION: string = SERVER_VERSION;
