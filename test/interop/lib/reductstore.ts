/** The published ReductStore server, built once from the Rust registry and kept outside the checkout. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { runOk } from '../../clients/lib/toolbox.ts';

/** The newest version in the registry whose API the contract describes. */
export const REDUCTSTORE_VERSION = '1.21.5';

/**
 * Builds the server unless it is there already; takes some twenty minutes on two cores. What it compiles is kept in
 * `$XDG_CACHE_HOME/millrace-interop` (else `~/.cache/millrace-interop`), which may be removed at any time.
 * Without its web console, which its build would load from elsewhere, and without `--locked`, as the lock file of the
 * package names versions that the registry does not have any more.
 * @returns the path of the executable. @throws Error with everything that was printed.
 */
export async function installReductStore(): Promise<string> {
  const base = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const cache = join(base, 'millrace-interop');
  const root = join(cache, `reductstore-${REDUCTSTORE_VERSION}`);
  const binary = join(root, 'bin', 'reductstore');
  if (existsSync(binary)) return binary;
  const target = join(cache, 'target');
  await mkdir(target, { recursive: true });
  const what = ['install', 'reductstore', '--version', REDUCTSTORE_VERSION, '--jobs', '2'];
  const features = ['--no-default-features', '--features', 'fs-backend'];
  await runOk('cargo', [...what, ...features, '--root', root, '--target-dir', target]);
  return binary;
}
