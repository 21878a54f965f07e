/**
 * Loads the native binary of uWebSockets.js, with defects of the builds for linux-x64 corrected on the way: all of these
 * on Node.js 20, the one of header values on Node.js 22 and 24, which have the others mended.
 *
 * Names (uNetworking/uWebSockets.js issue 1018, fixed upstream in a release that has no Node.js 20 build for this C
 * library): a header name with an underscore makes the parser wait for ever, so that `x-reduct-label-engine_status`, a
 * header any sensor may send, is never answered. The check of a name's bytes accepts digits and `-` beside letters;
 * the correction widens it to `-` to `9` (which adds `.` and `/`) and `_`.
 *
 * Values of headers: the parser takes bytes beyond ASCII for blanks, because it compares them as signed, and cuts them
 * off at both ends: a label `Zoë` would be stored as `Zo`, silently. The correction compares as unsigned.
 *
 * Request lines: one that arrives in pieces, as a small device prints it, is answered 505 at its first piece, because a
 * line that has no end yet counts as one of another protocol version. The correction looks for the end first: behind the
 * bytes received the library puts a CR that no LF follows, and a line that ends there waits for more, as header lines do.
 * Its code takes the place of the reading of PROXY protocol headers, which is switched off: nobody asked for it, and any
 * client could have claimed any address with it.
 *
 * Only a file with exactly the pinned digest is corrected: a copy is changed in memory, written to a folder of its own
 * that nobody else can write to, loaded, and removed at once (the mapping stays). Any other file is loaded as it is.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Bytes at a file offset, before and after; both hexadecimal and of one length. */
interface Correction {
  readonly offset: number;
  readonly before: string;
  readonly after: string;
}

/** By SHA-256 of the file. */
const CORRECTIONS: ReadonlyMap<string, readonly Correction[]> = new Map([
  [
    // uws_linux_x64_115.node of uwebsockets 3.0.6: `in == '-' || in - '0' <= 9` becomes `in - '-' <= 12 || in == '_'`.
    'f4fa5d7b697529b45ac8aa3d57385d9af51bc1d2b26aa9f5b68ca4361542e665',
    [
      {
        offset: 0xee30d,
        before: '4080ff2d740e8d47d03c097607',
        after: '8d47d33c0c760d4080ff5f7407',
      },
      {
        offset: 0xee34a,
        before: '8d77d04080ff2d74dd4080fe0a72d7',
        after: '8d77d34080fe0d72dd4080ff5f74d7',
      },
      // No branch to the reading of a PROXY header.
      { offset: 0xee0b0, before: '0f8499000000', after: '660f1f440000' },
      {
        // From the first byte on: skip what is at least a blank; at CR without LF return 0 (wait), else set error 505.
        offset: 0xee14f,
        before:
          '4883fe100f82a7000000410f10070f2944241048b80d0a0d0a000d0a5148334424108b5424184881f2554954',
        after:
          '4c89f8803820488d400173f78078ff0d750a80380a7405e99500000041c74500010000004531e4e985000000',
      },
      // Where error 505 was set: a jump to the above.
      { offset: 0xee1f5, before: '41c74500010000004531e4', after: 'e955ffffff660f1f440000' },
      // Blanks behind a value, and before it: jge becomes jae, jg becomes ja.
      { offset: 0xee410, before: '41803c01217d10', after: '41803c01217310' },
      { offset: 0xee42b, before: '418079ff207f12', after: '418079ff207712' },
    ],
  ],
  [
    // uws_linux_x64_127.node
    '78e38a9a163b1cf33ce539619e5908111dea95a12e7943d95fbcdd524879caa8',
    [
      { offset: 0xff5b1, before: '807c0301217d0c', after: '807c030121730c' },
      { offset: 0xff5d1, before: '807bff207f11', after: '807bff207711' },
    ],
  ],
  [
    // uws_linux_x64_137.node
    '3b549c14e01d9d1faf234cdf4b6f0fb08158605e3692cd0eb1b905e327bd3449',
    [
      { offset: 0xff941, before: '807c0301217d0c', after: '807c030121730c' },
      { offset: 0xff961, before: '807bff207f11', after: '807bff207711' },
    ],
  ],
]);

/**
 * The parser folds case by setting bit 5, which turns `_` into this character in names that are walked. No name can
 * contain it otherwise.
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
  for (const { offset, before, after } of corrections) {
    const found = bytes.toString('hex', offset, offset + before.length / 2);
    if (found !== before) throw new Error(`BUG: ${path} has ${found} at ${offset}, not ${before}`);
    bytes.write(after, offset, 'hex');
  }
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
