/**
 * Keys that protect secrets in the store. They live outside of the data folder, so that the folder alone, or a back-up
 * of it, gives no secret away.
 */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { UnavailableError } from '../errors/errors.ts';

export const SECRET_KEY_BYTES = 32;

/** Only the owner may read a key file. */
const KEY_FILE_MODE = 0o600;
const OTHERS_MODE = 0o077;

/** Bytes of the hash that names a key in the store. It says which key is meant, and nothing about the key. */
const KEY_ID_BYTES = 8;

export interface SecretKey {
  /** 16 hex digits. */
  readonly id: string;
  readonly bytes: Buffer;
}

/** Where keys come from; texts as `parseSecretKey` takes them. */
export interface SecretKeyOptions {
  /** `MILLRACE_SECRET_KEY`; wins over the file. */
  readonly keyText: string | undefined;
  /** Opens what was sealed before a change of keys. */
  readonly oldKeyText: string | undefined;
  /** File of the key when `keyText` is not given; made when the first secret is stored. */
  readonly keyPath: string;
}

/** The 32 bytes of a text in hex or base64 (also the URL-safe form); undefined for anything else. */
export function parseSecretKey(text: string): Buffer | undefined {
  const trimmed = text.trim();
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Buffer.from(trimmed, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) return undefined;
  const bytes = Buffer.from(trimmed, 'base64');
  return bytes.length === SECRET_KEY_BYTES ? bytes : undefined;
}

/** Default of the key file: beside the data folder. */
export function defaultKeyPath(dataPath: string): string {
  return `${resolve(dataPath)}.key`;
}

/** Whether `path` lies in the folder, where a back-up of the folder would take it along. */
export function isInside(folder: string, path: string): boolean {
  return resolve(path).startsWith(resolve(folder) + sep);
}

/** The keys of this process. The file is read once, at the start, and made at first need. */
export class SecretKeys {
  readonly #options: SecretKeyOptions;
  readonly #old: SecretKey | undefined;
  #current: SecretKey | undefined;
  #problem: string | undefined;

  constructor(options: SecretKeyOptions) {
    const { keyText, oldKeyText, keyPath } = options;
    this.#options = options;
    this.#old = keyOf(oldKeyText);
    this.#current = keyOf(keyText);
    if (this.#current !== undefined) return;
    try {
      this.#current = keyOf(readFileSync(keyPath, 'utf8'));
      if (this.#current === undefined) {
        this.#problem = `the key file ${keyPath} does not hold 32 bytes in base64 or hex`;
      }
    } catch (error) {
      // No file is no problem: it is made when it is needed.
      if (codeOf(error) !== 'ENOENT') {
        this.#problem = `the key file ${keyPath} cannot be read (${codeOf(error)})`;
      }
    }
  }

  /** What an operator should know: a file that is unusable, or that others may read. */
  warnings(): string[] {
    if (this.#problem !== undefined) return [this.#problem];
    const { keyText, keyPath } = this.#options;
    if (keyText !== undefined || this.#current === undefined) return [];
    const isOpen = (statSync(keyPath).mode & OTHERS_MODE) !== 0;
    return isOpen ? [`the key file ${keyPath} can be read by others; chmod 600 it`] : [];
  }

  /** The key with this id; undefined when this process does not have it. */
  find(id: string): SecretKey | undefined {
    return [this.#current, this.#old].find((key) => key?.id === id);
  }

  /** Why a key cannot be had, for messages. */
  describeMissing(): string {
    const { keyText, keyPath } = this.#options;
    if (this.#problem !== undefined) return this.#problem;
    if (keyText !== undefined) return 'MILLRACE_SECRET_KEY is another key';
    return this.#current === undefined
      ? `the key file ${keyPath} is missing`
      : `the key file ${keyPath} holds another key`;
  }

  /** True when `id` names the key that new secrets are sealed with. */
  isCurrent(id: string): boolean {
    return this.#current?.id === id;
  }

  /**
   * The key for new secrets; makes the key file when there is none.
   * @throws UnavailableError when the file cannot be used or made.
   */
  current(): SecretKey {
    if (this.#problem !== undefined) throw unusable(this.#problem);
    this.#current ??= this.#make();
    return this.#current;
  }

  #make(): SecretKey {
    const { keyPath } = this.#options;
    const bytes = randomBytes(SECRET_KEY_BYTES);
    try {
      // Fails when somebody else has made one meanwhile: a key is never overwritten.
      writeDurably(keyPath, `${bytes.toString('base64')}\n`);
    } catch (error) {
      throw unusable(`the key file ${keyPath} cannot be made (${codeOf(error)})`, error);
    }
    return { id: idOf(bytes), bytes };
  }
}

function unusable(why: string, cause?: unknown): UnavailableError {
  return new UnavailableError(
    `The token cannot be stored: ${why}; set MILLRACE_SECRET_KEY or MILLRACE_SECRET_KEY_PATH`,
    { cause },
  );
}

/** The file is on disk, with its name, before anything depends on it. */
function writeDurably(path: string, text: string): void {
  const file = openSync(path, 'wx', KEY_FILE_MODE);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function keyOf(text: string | undefined): SecretKey | undefined {
  const bytes = text === undefined ? undefined : parseSecretKey(text);
  return bytes === undefined ? undefined : { id: idOf(bytes), bytes };
}

function idOf(bytes: Buffer): string {
  const hash = createHash('sha256').update('millrace secret key id 1').update(bytes).digest();
  return hash.toString('hex', 0, KEY_ID_BYTES);
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : String(error);
}
