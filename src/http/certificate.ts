/** Certificate and key of the listener: reading them, and noticing that they changed. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { ConfigError } from '../errors/errors.ts';

/** `RS_CERT_PATH` and `RS_CERT_KEY_PATH`, both PEM. */
export interface CertificateFiles {
  readonly certPath: string;
  readonly keyPath: string;
}

export interface CertificateFacts {
  readonly subject: string;
  readonly validTo: Date;
}

const HINT = 'Both are PEM files: the certificate with its chain, and its key without passphrase.';

/** Resolves when a listener can use both files. @throws ConfigError that names the variable, the file and the reason. */
export async function checkCertificate(files: CertificateFiles): Promise<CertificateFacts> {
  const { certPath, keyPath } = files;
  const cert = await read('RS_CERT_PATH', certPath);
  const key = await read('RS_CERT_KEY_PATH', keyPath);
  const certificate = parsed('RS_CERT_PATH', certPath, 'certificate', () => {
    return new X509Certificate(cert);
  });
  const privateKey: KeyObject = parsed('RS_CERT_KEY_PATH', keyPath, 'private key', () => {
    return createPrivateKey(key);
  });
  if (!certificate.checkPrivateKey(privateKey)) {
    throw refused(
      'RS_CERT_KEY_PATH',
      `the key in '${keyPath}' does not belong to the certificate in '${certPath}'`,
    );
  }
  // The certificates of the chain behind the first one.
  parsed('RS_CERT_PATH', certPath, 'certificate chain', () => createSecureContext({ cert, key }));
  return { subject: certificate.subject, validTo: new Date(certificate.validTo) };
}

async function read(variable: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw refused(variable, `'${path}' cannot be read: ${reasonOf(cause)}`, cause);
  }
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'it does not exist'],
  ['ENOTDIR', 'it does not exist'],
  ['EACCES', 'permission denied'],
  ['EISDIR', 'it is a folder'],
]);

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  return REASONS.get(code) ?? error.message;
}

function parsed<T>(variable: string, path: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw refused(variable, `'${path}' holds no usable ${what}: ${reasonOf(cause)}`, cause);
  }
}

function refused(variable: string, text: string, cause?: unknown): ConfigError {
  return new ConfigError(`${variable}: ${text}`, { hint: HINT, cause });
}

/** How often the files are looked at. Their content counts, whichever of files, links and folders was replaced. */
const PERIOD_MS = 1000;

export class CertificateWatch {
  readonly #files: CertificateFiles;
  readonly #onChanged: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  /** Of the files in use, or of those that were refused. */
  #knownState = '';
  #latestState = '';
  #isLooking = false;

  /** @param onChanged told when the files have changed and then kept still; must not reject. */
  constructor(files: CertificateFiles, onChanged: () => Promise<void>) {
    this.#files = files;
    this.#onChanged = onChanged;
  }

  /** Resolves when the present state is known. What is read from then on is no older. */
  async start(): Promise<void> {
    this.#knownState = await stateOf(this.#files);
    this.#latestState = this.#knownState;
    this.#timer ??= setInterval(() => void this.#look(), PERIOD_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.#compare();
    } finally {
      this.#isLooking = false;
    }
  }

  async #compare(): Promise<void> {
    const state = await stateOf(this.#files);
    // Twice the same: nobody is writing, and both files belong to one renewal.
    const isStill = state === this.#latestState;
    this.#latestState = state;
    if (isStill && state !== this.#knownState && this.#timer !== undefined) {
      this.#knownState = state;
      await this.#onChanged();
    }
  }
}

async function stateOf({ certPath, keyPath }: CertificateFiles): Promise<string> {
  const states = await Promise.all([certPath, keyPath].map(fileState));
  return states.join('|');
}

async function fileState(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
    return [dev, ino, size, mtimeMs, ctimeMs].join(',');
  } catch (error) {
    return reasonOf(error);
  }
}
