/**
 * The alias file: names of instances with their URLs and tokens, as TOML. The format is that of reduct-cli
 * (replication §9.2), so that `MILLRACE_CONFIG` may point at its file.
 */
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse, stringify, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { CliError } from '../errors.ts';
import { replaceFile } from './replace-file.ts';

export const DEFAULT_TIMEOUT_S = 30;
export const DEFAULT_PARALLEL = 10;

/** One instance as the file has it. */
export interface Alias {
  readonly url: string;
  /** Empty: none. */
  readonly token: string;
  readonly ignoreSsl: boolean;
  readonly timeoutS: number;
  readonly parallel: number;
  readonly caCert: string | undefined;
}

const ALIAS = v.object({
  url: v.string(),
  token: v.optional(v.string(), ''),
  ignore_ssl: v.optional(v.boolean(), false),
  timeout: v.optional(v.pipe(v.number(), v.minValue(0.001)), DEFAULT_TIMEOUT_S),
  parallel: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), DEFAULT_PARALLEL),
  ca_cert: v.optional(v.string()),
});
type AliasRows = Readonly<Record<string, v.InferOutput<typeof ALIAS>>>;

const FILE = v.looseObject({ aliases: v.optional(v.record(v.string(), ALIAS), {}) });

/** Others than the owner may read or write. */
const OTHERS = 0o077;

export class AliasFile {
  readonly path: string;

  /** @param env `MILLRACE_CONFIG` names another file than `~/.millrace/config.toml`. */
  constructor(env: NodeJS.ProcessEnv) {
    const named = env['MILLRACE_CONFIG'];
    const isNamed = named !== undefined && named !== '';
    this.path = isNamed ? named : join(homedir(), '.millrace', 'config.toml');
  }

  /** By name; empty when there is no file. @throws CliError when it cannot be read or understood. */
  aliases(): ReadonlyMap<string, Alias> {
    const text = this.#read();
    return new Map(
      Object.entries(this.#parse(text).aliases).map(([name, row]) => [name, toAlias(row)]),
    );
  }

  /** @throws CliError when there is no such alias, naming those that are. */
  get(name: string): Alias {
    const all = this.aliases();
    const alias = all.get(name);
    if (alias !== undefined) return alias;
    throw new CliError(`Alias '${name}' does not exist`, missingHint(name, [...all.keys()]));
  }

  /** @throws CliError when the name is taken. */
  add(name: string, alias: Alias): void {
    this.#change((aliases) => {
      if (Object.hasOwn(aliases, name)) throw new CliError(`Alias '${name}' already exists`);
      return { ...aliases, [name]: toRow(alias) };
    });
  }

  /** @throws CliError when there is no such alias. */
  remove(name: string): void {
    this.get(name);
    this.#change((aliases) =>
      Object.fromEntries(Object.entries(aliases).filter(([other]) => other !== name)),
    );
  }

  /** Says so when others on this machine can read the tokens. */
  permissionWarning(): string | undefined {
    if (process.platform === 'win32') return undefined;
    const stats = statSync(this.path, { throwIfNoEntry: false });
    if (stats === undefined || (stats.mode & OTHERS) === 0) return undefined;
    return `Others can read the tokens in ${this.path}; run: chmod 600 '${this.path}'`;
  }

  #read(): string {
    try {
      return readFileSync(this.path, 'utf8');
    } catch (error) {
      if (isNotFound(error)) return '';
      throw new CliError(`Cannot read ${this.path}: ${textOf(error)}`);
    }
  }

  #parse(text: string): v.InferOutput<typeof FILE> {
    try {
      return v.parse(FILE, parse(text));
    } catch (error) {
      if (error instanceof v.ValiError) {
        const [issue] = error.issues;
        throw new CliError(`${this.path}: ${v.getDotPath(issue) ?? ''}: ${issue.message}`);
      }
      // The parser's message quotes the lines around the mistake, and a token may stand in them.
      if (error instanceof TomlError) {
        throw new CliError(`${this.path} is no TOML, see line ${error.line}`);
      }
      throw error;
    }
  }

  /** Members of the file that are not ours stay. */
  #change(change: (aliases: AliasRows) => AliasRows): void {
    try {
      mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
      replaceFile(this.path, () => {
        const document = this.#parse(this.#read());
        return stringify({ ...document, aliases: change(document.aliases) });
      });
    } catch (error) {
      if (error instanceof CliError) throw error;
      throw new CliError(`Cannot write ${this.path}: ${textOf(error)}`);
    }
  }
}

function toAlias(row: v.InferOutput<typeof ALIAS>): Alias {
  return {
    url: row.url,
    token: row.token,
    ignoreSsl: row.ignore_ssl,
    timeoutS: row.timeout,
    parallel: row.parallel,
    caCert: row.ca_cert,
  };
}

function toRow(alias: Alias): v.InferOutput<typeof ALIAS> {
  return {
    url: alias.url,
    token: alias.token,
    ignore_ssl: alias.ignoreSsl,
    timeout: alias.timeoutS,
    parallel: alias.parallel,
    ...(alias.caCert === undefined ? {} : { ca_cert: alias.caCert }),
  };
}

function missingHint(name: string, names: readonly string[]): string {
  if (/^[^:]+:\d+$/.test(name)) return `Did you mean 'http://${name}'?`;
  if (names.length === 0) return `Add it: millrace alias add ${name} --url <URL> --token <token>`;
  return `Known are: ${names.join(', ')}.`;
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
