/** Versions: the one that is announced on the wire, and our own. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BugError } from '../errors/errors.ts';

/** ReductStore version announced in `server: ReductStore <version>` and `/info` (http-api §1.3, §2.2). */
export const SERVER_VERSION = '1.21.0';

/** Value of `x-reduct-api` (http-api §1.3, §6); clients choose the batch protocol by it. */
export const API_VERSION = '1.21';

/**
 * Version of Millrace in the nearest `package.json` above `startDir`. The search goes upwards because sources and
 * build lie at different depths.
 * @throws BugError when there is no `package.json` of this project above `startDir`.
 */
export function readPackageVersion(startDir: string): string {
  for (let dir = startDir; ; dir = dirname(dir)) {
    const file = join(dir, 'package.json');
    if (existsSync(file)) {
      const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
      if (isMillracePackage(content)) return content.version;
    }
    if (dir === dirname(dir)) throw new BugError(`no package.json of millrace above ${startDir}`);
  }
}

function isMillracePackage(content: unknown): content is { readonly version: string } {
  if (typeof content !== 'object' || content === null) return false;
  const { name, version } = content as { readonly name?: unknown; readonly version?: unknown };
  return name === 'millrace' && typeof version === 'string';
}

/** Version of this software, for logs, metrics and `--version`. */
export const MILLRACE_VERSION: string = readPackageVersion(dirname(fileURLToPath(import.meta.url)));
