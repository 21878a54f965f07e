/** What this server announces to clients and to replication sources. */
import zlib from 'node:zlib';
import { API_VERSION, SERVER_VERSION } from '../config/version.ts';

/** Whether this Node.js decodes zstd (22.15, 23.8 and later). */
export const DECODES_ZSTD: boolean =
  typeof Reflect.get(zlib, 'createZstdDecompress') === 'function';

/**
 * Value of `x-reduct-api`. A source takes 1.21 as a promise that zstd and gzip bodies are understood, and drops a batch
 * that is answered 415 (replication §5.3, §5.4); without zstd the last version without that promise is announced.
 */
export const ANNOUNCED_API_VERSION: string = DECODES_ZSTD ? API_VERSION : '1.20';

/** Version in `server` and `/info`; agrees with `ANNOUNCED_API_VERSION`. */
export const ANNOUNCED_SERVER_VERSION: string = DECODES_ZSTD ? SERVER_VERSION : '1.20.11';
