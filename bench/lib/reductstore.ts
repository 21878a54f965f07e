/** A real ReductStore beside ours, for rows that compare the two. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The version that `npm run test:interop` builds. */
const VERSION = '1.21.5';

/**
 * The executable that `npm run test:interop` has built and kept outside the checkout.
 * @throws Error saying what to do when it is not there
 */
export function reductStoreBinary(): string {
  const base = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const path = join(base, 'millrace-interop', `reductstore-${VERSION}`, 'bin', 'reductstore');
  if (existsSync(path)) return path;
  throw new Error(
    `There is no ReductStore ${VERSION} to compare with; npm run test:interop builds it (about fifteen minutes)`,
  );
}
