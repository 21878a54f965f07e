/**
 * The files with certificates of connections to targets. They are read again when they change, so that certificates can be
 * renewed without a restart; what cannot be used is told, and the former ones stay in use. Main thread only.
 */
import { readFile, stat } from 'node:fs/promises';
import type { Logger } from '../logging/logger.ts';
import { checkBundle, newSecureContext, type TlsMaterial } from './transfer/tls-material.ts';

/** How often the files are looked at. */
const INTERVAL_MS = 5_000;

/** `undefined`: there is none. */
export interface TlsPaths {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface TlsFilesOptions {
  readonly paths: TlsPaths;
  readonly logger: Pick<Logger, 'info' | 'error'>;
  /** Told of each change. */
  readonly onChange: (material: TlsMaterial) => void;
  readonly intervalMs?: number;
}

const NOTHING: TlsMaterial = { caPem: null, certPem: null, keyPem: null };

export class TlsFiles {
  readonly #options: TlsFilesOptions;
  #material: TlsMaterial = NOTHING;
  #stamp = '';
  #problem: string | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TlsFilesOptions) {
    this.#options = options;
  }

  /** In use now. */
  get material(): TlsMaterial {
    return this.#material;
  }

  /** Reads the files and looks at them from then on. @returns why they cannot be used, or `null`. */
  async start(): Promise<string | null> {
    const problem = await this.refresh();
    const { paths, intervalMs = INTERVAL_MS } = this.#options;
    if (paths.ca === undefined && paths.cert === undefined) return problem;
    this.#timer = setInterval(() => void this.refresh(), intervalMs);
    this.#timer.unref();
    return problem;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Takes over what has changed. @returns why the files as they are cannot be used, or `null` (replication §1.4, row 8). */
  async refresh(): Promise<string | null> {
    const stamp = await this.#stampNow();
    if (stamp === this.#stamp) return this.#problem;
    const before = this.#problem;
    const isFirst = this.#stamp === '';
    this.#stamp = stamp;
    try {
      this.#material = await this.#read();
      this.#problem = null;
      if (isFirst) return null;
      this.#options.onChange(this.#material);
      this.#options.logger.info('certificates for targets were read again');
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
      if (this.#problem !== before && !isFirst) {
        this.#options.logger.error(`${this.#problem}; the former certificates stay in use`);
      }
    }
    return this.#problem;
  }

  async #stampNow(): Promise<string> {
    const { ca, cert, key } = this.#options.paths;
    const stamps = await Promise.all([ca, cert, key].map(stampOf));
    return stamps.join(' ');
  }

  async #read(): Promise<TlsMaterial> {
    const { ca, cert, key } = this.#options.paths;
    const caPem = await readPem('CA certificate', ca);
    if (caPem !== null) {
      rephrase(`Invalid replication CA certificate ${ca}`, () => checkBundle(caPem));
    }
    const certPem = await readPem('client certificate', cert);
    if (certPem !== null) {
      rephrase(`Invalid replication client certificate ${cert}`, () => checkBundle(certPem));
    }
    const keyPem = await readPem('client key', key);
    const material = { caPem, certPem, keyPem };
    rephrase('Failed to build replication HTTP client', () => newSecureContext(material));
    return material;
  }
}

async function stampOf(path: string | undefined): Promise<string> {
  if (path === undefined) return '-';
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs}:${size}:${ino}`;
  } catch (error) {
    return osError(error);
  }
}

async function readPem(what: string, path: string | undefined): Promise<string | null> {
  if (path === undefined) return null;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(`Failed to read replication ${what} ${path}: ${osError(error)}`, {
      cause: error,
    });
  }
}

function osError(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : String(error);
}

function rephrase(prefix: string, use: () => unknown): void {
  try {
    use();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${prefix}: ${message}`, { cause: error });
  }
}
