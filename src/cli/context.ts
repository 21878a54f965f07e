/** What every command is given: where to print, what the aliases mean, when to stop. */
import { readFileSync } from 'node:fs';
import type { AliasFile } from './config/alias-file.ts';
import { DEFAULT_PARALLEL, DEFAULT_TIMEOUT_S } from './config/alias-file.ts';
import { CliError, EXIT_OK } from './errors.ts';
import type { GlobalOptions } from './global-options.ts';
import type { Output } from './output/output.ts';
import type { ServerRef } from './resource.ts';

/** An instance and how to talk to it: alias or URL, with the global options on top. */
export interface ResolvedServer {
  /** With an optional base path, ends with `/`, without user part. */
  readonly url: string;
  /** `null`: requests carry no `authorization`. */
  readonly token: string | null;
  readonly verifyTls: boolean;
  /** PEM; `null`: the system's roots. */
  readonly caPem: string | null;
  /** Longest time to connect, and longest time without a byte in either direction. */
  readonly timeoutMs: number;
  /** Requests, entries or files at a time. */
  readonly parallel: number;
}

export interface CliParts {
  readonly env: NodeJS.ProcessEnv;
  readonly aliases: AliasFile;
  readonly output: Output;
  /** µs since the Unix epoch. */
  readonly nowUs: () => bigint;
  /** Aborted by Ctrl-C with an `InterruptedError`, which commands let through. */
  readonly signal: AbortSignal;
  /** Asks on the terminal; without one the answer is no. */
  readonly confirm: (question: string) => Promise<boolean>;
}

export class CliContext {
  readonly env: NodeJS.ProcessEnv;
  readonly aliases: AliasFile;
  readonly output: Output;
  readonly nowUs: () => bigint;
  readonly signal: AbortSignal;
  readonly confirm: (question: string) => Promise<boolean>;
  /** Set once the command line is parsed, before any command runs. */
  globals: GlobalOptions = {};
  /** Of a command that does not throw: one that has told of failures itself sets it. */
  exitCode: number = EXIT_OK;

  constructor(parts: CliParts) {
    this.env = parts.env;
    this.aliases = parts.aliases;
    this.output = parts.output;
    this.nowUs = parts.nowUs;
    this.signal = parts.signal;
    this.confirm = parts.confirm;
  }

  /** @throws CliError when the alias does not exist, its URL is none, or the CA file cannot be read. */
  resolve(ref: ServerRef): ResolvedServer {
    const { ignoreSsl, caCert, timeoutMs, parallel } = this.globals;
    const alias = ref.kind === 'alias' ? this.aliases.get(ref.alias) : undefined;
    const token = ref.kind === 'url' ? ref.token : (alias?.token ?? '');
    const caPath = caCert ?? alias?.caCert;
    return {
      url: ref.kind === 'url' ? ref.url : normalizeUrl(alias?.url ?? '', ref.alias),
      token: token === '' ? null : token,
      verifyTls: !(ignoreSsl ?? alias?.ignoreSsl ?? false),
      caPem: caPath === undefined ? null : readPem(caPath),
      timeoutMs: timeoutMs ?? (alias?.timeoutS ?? DEFAULT_TIMEOUT_S) * 1000,
      parallel: parallel ?? alias?.parallel ?? DEFAULT_PARALLEL,
    };
  }
}

function normalizeUrl(text: string, alias: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new CliError(`Alias '${alias}' has no http or https URL`);
  }
  return `${url.origin}${url.pathname.replace(/\/*$/, '/')}`;
}

function readPem(path: string): string {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(
      `Cannot read CA certificate ${path}: ${error instanceof Error ? error.message : ''}`,
    );
  }
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw new CliError(`${path} holds no certificate in PEM form`);
}
