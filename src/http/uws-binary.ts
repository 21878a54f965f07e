/**
 * Loads the native binary of uWebSockets.js, with defects of the builds for linux-x64 corrected on the way. Most concern
 * Node.js 20 and are fixed upstream in releases that have no Node.js 20 build for this C library (names:
 * uNetworking/uWebSockets.js issue 1018). With that build as it is, these would never be answered: a header name with an
 * underscore, a header any sensor may send; more than 98 header lines; a malformed head. And a request line that arrives
 * in pieces, as a small device prints it, would be answered 505 at its first piece. What is corrected and how:
 * `uws-corrections.ts`.
 *
 * Only a file with exactly the pinned digest is corrected: a copy is changed in memory, written to a folder of its own
 * that nobody else can write to, loaded, and removed at once (the mapping stays). Any other file is loaded as it is.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CORRECTIONS } from './uws-corrections.ts';

/**
 * The parser of other builds folds case by setting bit 5, which turns `_` into this character. No name can contain it
 * otherwise.
 */
const FOLDED_UNDERSCORE = '\u007f';

/** Undoes what the library's folding of case does to underscores in a header name. */
export function unfoldHeaderName(name: string): string {
  return name.includes(FOLDED_UNDERSCORE) ? name.replaceAll(FOLDED_UNDERSCORE, '_') : name;
}

/** @throws Error of the loader when there is no binary for this machine. */
export function loadUwsBinary(): unknown {
  const require = createRequire(import.meta.url);
  const folder = dirname(require.resolve('uWebSockets.js'));
  const { platform, arch, versions } = process;
  const path = join(folder, `uws_${platform}_${arch}_${versions.modules}.node`);
  const corrected = correctedBinary(path);
  return corrected === undefined ? require('uWebSockets.js') : loadCopy(corrected);
}

/** @returns undefined when the file needs no correction that is known, or does not exist. */
function correctedBinary(path: string): Buffer | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    // No binary for this machine: the module's own loader says what is supported.
    return undefined;
  }
  const digest = createHash('sha256').update(bytes).digest('hex');
  const corrections = CORRECTIONS.get(digest);
  if (corrections === undefined) return undefined;
  for (const { offset, bytes: corrected } of corrections) bytes.write(corrected, offset, 'hex');
  return bytes;
}

function loadCopy(bytes: Buffer): unknown {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-uws-'));
  try {
    const path = join(folder, 'uws.node');
    writeFileSync(path, bytes, { mode: 0o700 });
    const module: { exports: unknown } = { exports: {} };
    process.dlopen(module, path);
    return module.exports;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
