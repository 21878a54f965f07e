/** Reads the configuration from the environment, once, at start. */
import { availableParallelism, hostname } from 'node:os';
import { ConfigError } from '../errors/errors.ts';
import type { Config, DerivedName, GivenValues, SystemFacts } from './config.ts';
import { unknownOwnNames, unusedContractNames } from './environment-names.ts';
import { acceptedText, notation, parseOption } from './kinds.ts';
import type { OptionSpec, OptionValue } from './kinds.ts';
import { OPTION_ROWS } from './options.ts';
import type { OptionName } from './options.ts';
import { loadProvisioning } from './provisioning.ts';
import type { Provisioning } from './provisioning.ts';
import { crossProblems, crossWarnings, DERIVED_DEFAULTS, provisioningProblems } from './rules.ts';

export interface LoadedConfig {
  readonly config: Config;
  /** Buckets and tokens to be there after the start. Holds values of tokens: never log it. */
  readonly provisioning: Provisioning;
  /** For the log, one line each: what is set and has no effect, and what is open to whom. */
  readonly warnings: readonly string[];
  /** For the log, one line each: what was asked for and is left out. */
  readonly errors: readonly string[];
}

const SECRET_TEXT = '***';

/** Values longer than this are cut in messages. */
const SHOWN_CHARACTERS = 80;

/**
 * Parses and checks everything. Surrounding spaces do not count, an empty value is one that is not set.
 * @param env not changed and not kept.
 * @throws ConfigError that names all problems at once: variable, value (`***` for secrets) and what is accepted.
 */
export function loadConfig(
  env: NodeJS.ProcessEnv,
  system: SystemFacts = { cores: availableParallelism(), hostName: hostname() },
): LoadedConfig {
  const given = parseGiven(env);
  const config = withDerived(given.values, system);
  const { provisioning, warnings, errors, usedNames } = loadProvisioning(env);
  const problems = [
    ...given.problems,
    ...crossProblems(config, given.badNames),
    ...provisioningProblems(config, provisioning, given.badNames),
    ...unknownOwnNames(env),
  ];
  if (problems.length > 0) throw configError(problems);
  return {
    config,
    provisioning,
    warnings: [
      ...crossWarnings(config, provisioning),
      ...warnings,
      ...unusedContractNames(env, usedNames),
    ],
    errors,
  };
}

interface Given {
  /** Values from the environment and plain defaults; undefined where there is neither. */
  readonly values: GivenValues;
  readonly problems: readonly string[];
  /** Rows whose text was refused: rules that look at them are skipped. */
  readonly badNames: ReadonlySet<OptionName>;
}

function parseGiven(env: NodeJS.ProcessEnv): Given {
  const values: Record<string, OptionValue | undefined> = {};
  const problems: string[] = [];
  const badNames = new Set<OptionName>();
  for (const [name, spec] of OPTION_ROWS) {
    const text = env[spec.env]?.trim();
    const isSet = text !== undefined && (text !== '' || isSecretKind(spec));
    const value = isSet ? parseOption(spec, text) : defaultValue(spec);
    values[name] = value;
    if (isSet && value === undefined) {
      problems.push(refusal(spec, text));
      badNames.add(name);
    }
  }
  // The table types both sides: a value of row N was made by the parser of N's kind.
  return { values: values as GivenValues, problems, badNames };
}

/** Empty text is refused, because nobody means to do without the secret he sets. */
function isSecretKind({ kind }: OptionSpec): boolean {
  return kind === 'token' || kind === 'secret-key';
}

function defaultValue(spec: OptionSpec): OptionValue | undefined {
  return spec.default === undefined ? undefined : parseOption(spec, spec.default);
}

function refusal(spec: OptionSpec, text: string): string {
  const written = notation(spec.kind);
  const accepted = acceptedText(spec) + (written === '' ? '' : ` (${written})`);
  if (text === '') return `${spec.env} is empty; set ${accepted}, or unset it`;
  const cut = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
  const shown = spec.secret === true ? SECRET_TEXT : JSON.stringify(cut);
  return `${spec.env} is ${shown}; accepted: ${accepted}`;
}

function withDerived(values: GivenValues, system: SystemFacts): Config {
  const derived = {
    host: values.host ?? DERIVED_DEFAULTS.host(values, system),
    instanceName: values.instanceName ?? DERIVED_DEFAULTS.instanceName(values, system),
    metricsAuth: values.metricsAuth ?? DERIVED_DEFAULTS.metricsAuth(values, system),
    secretKeyPath: values.secretKeyPath ?? DERIVED_DEFAULTS.secretKeyPath(values, system),
    replicationThreads:
      values.replicationThreads ?? DERIVED_DEFAULTS.replicationThreads(values, system),
    queryThreads: values.queryThreads ?? DERIVED_DEFAULTS.queryThreads(values, system),
  } satisfies Pick<Config, DerivedName>;
  // Complete but for rows with refused values, and then it is only looked at by rules and not returned.
  return Object.freeze({ ...values, ...derived } as Config);
}

function configError(problems: readonly string[]): ConfigError {
  const count = problems.length === 1 ? 'a problem' : 'problems';
  return new ConfigError(`The configuration has ${count}:\n${problems.map(bullet).join('\n')}`, {
    hint: 'All variables: --help, or docs/configuration.md.',
  });
}

function bullet(text: string): string {
  return `  - ${text}`;
}

/** The settings for logs, by variable name: secrets as `***`, what is not set left out. */
export function redactConfig(config: Config): Record<string, OptionValue> {
  const shown: Record<string, OptionValue> = {};
  for (const [name, spec] of OPTION_ROWS) {
    const value = config[name];
    if (value !== undefined) shown[spec.env] = spec.secret === true ? SECRET_TEXT : value;
  }
  return shown;
}
