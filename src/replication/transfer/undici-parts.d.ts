/**
 * The parts of undici that connections to targets need. Its index loads fetch, caches, mocks and web sockets as well, five
 * times as many files: a tenth of a second of each start of a worker or a command.
 */
declare module 'undici/lib/core/connect.js' {
  import { buildConnector } from 'undici';
  export default buildConnector;
}

declare module 'undici/lib/dispatcher/pool.js' {
  import { Pool } from 'undici';
  export default Pool;
}
