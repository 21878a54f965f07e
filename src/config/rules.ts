/** Defaults that follow from other values, and rules between variables. All of it holds before anything is opened. */
import { isIPv4 } from 'node:net';
import { defaultKeyPath, isInside } from '../secrets/secret-key.ts';
import type { Config, DerivedName, GivenValues, SystemFacts } from './config.ts';
import { OPTIONS } from './options.ts';
import type { OptionName } from './options.ts';
import type { Provisioning } from './provisioning.ts';

const MAX_DEFAULT_THREADS = 4;

type DerivedDefaults = {
  readonly [N in DerivedName]: (values: GivenValues, system: SystemFacts) => Config[N];
};

/** The rules that the table's `derived` texts put in words. */
export const DERIVED_DEFAULTS: DerivedDefaults = {
  host: (values) => (needsTokens(values) ? '0.0.0.0' : '127.0.0.1'),
  instanceName: (_, { hostName }) => (hostName.trim() === '' ? 'unknown' : hostName.trim()),
  metricsAuth: (values) => needsTokens(values),
  secretKeyPath: ({ dataPath }) => defaultKeyPath(dataPath ?? OPTIONS.dataPath.default),
  replicationThreads: (_, { cores }) => defaultThreads(cores),
  queryThreads: (_, { cores }) => defaultThreads(cores),
};

/** Whether requests need a token (http-api §3.1). */
export function needsTokens(values: Pick<GivenValues, 'apiToken' | 'initApiToken'>): boolean {
  return values.apiToken !== undefined || values.initApiToken !== undefined;
}

/** Whether the instance serves its data folder without changing anything in it (http-api §1.12). */
export function isReadOnlyRole({ instanceRole }: Pick<Config, 'instanceRole'>): boolean {
  return instanceRole === 'REPLICA';
}

function defaultThreads(cores: number): number {
  return Math.max(1, Math.min(MAX_DEFAULT_THREADS, Math.floor(cores / 2)));
}

/**
 * Whether only this machine can reach `host`. Names other than `localhost` count as reachable from outside, because
 * what they resolve to may change.
 */
export function isLoopback(host: string): boolean {
  const address = host.toLowerCase().replace(/^::ffff:/, '');
  if (isIPv4(address)) return address.startsWith('127.');
  return address === '::1' || address === 'localhost';
}

interface Rule {
  /** Rows the rule looks at: it is skipped when one of them was refused. */
  readonly rows: readonly OptionName[];
  readonly isBroken: (config: Config) => boolean;
  readonly text: (config: Config) => string;
}

const TOKEN = OPTIONS.apiToken.env;
const INIT_TOKEN = OPTIONS.initApiToken.env;
const DISABLE = `${OPTIONS.authDisabled.env}=true`;

const RULES: readonly Rule[] = [
  {
    rows: ['apiToken', 'authDisabled'],
    isBroken: ({ apiToken, authDisabled }) => apiToken !== undefined && authDisabled,
    text: () => `${TOKEN} and ${DISABLE} exclude each other; unset one of them`,
  },
  {
    rows: ['initApiToken', 'authDisabled'],
    isBroken: ({ initApiToken, authDisabled }) => initApiToken !== undefined && authDisabled,
    text: () => `${INIT_TOKEN} and ${DISABLE} exclude each other; unset one of them`,
  },
  {
    rows: ['apiToken', 'initApiToken'],
    isBroken: ({ apiToken, initApiToken }) => apiToken !== undefined && initApiToken !== undefined,
    text: () => `${TOKEN} and ${INIT_TOKEN} exclude each other; unset one of them`,
  },
  {
    rows: ['host', 'apiToken', 'initApiToken', 'authDisabled'],
    isBroken: (config) => !needsTokens(config) && !config.authDisabled && !isLoopback(config.host),
    text: ({ host }) =>
      `${OPTIONS.host.env}=${host} is not a loopback address: set ${TOKEN}, or ${DISABLE} to give full access to everyone who reaches it`,
  },
  {
    rows: ['metricsAuth', 'apiToken', 'initApiToken'],
    isBroken: (config) => config.metricsAuth && !needsTokens(config),
    text: () => `${OPTIONS.metricsAuth.env}=true needs ${TOKEN} or ${INIT_TOKEN}`,
  },
  {
    rows: ['dataPath', 'secretKeyPath'],
    isBroken: ({ dataPath, secretKeyPath }) => isInside(dataPath, secretKeyPath),
    text: () =>
      `${OPTIONS.secretKeyPath.env} lies in the data folder: a back-up would hold the key beside what it protects; put it elsewhere`,
  },
  {
    rows: ['replicationCertPath', 'replicationKeyPath'],
    isBroken: ({ replicationCertPath, replicationKeyPath }) =>
      (replicationCertPath === undefined) !== (replicationKeyPath === undefined),
    text: () =>
      `${OPTIONS.replicationCertPath.env} and ${OPTIONS.replicationKeyPath.env} need each other`,
  },
  {
    rows: ['certPath', 'certKeyPath'],
    isBroken: ({ certPath, certKeyPath }) => certPath !== undefined && certKeyPath === undefined,
    text: () => `${OPTIONS.certPath.env} needs ${OPTIONS.certKeyPath.env}`,
  },
];

/** Problems between variables that are fine on their own. */
export function crossProblems(config: Config, badNames: ReadonlySet<OptionName>): string[] {
  return RULES.filter(({ rows }) => !rows.some((row) => badNames.has(row)))
    .filter((rule) => rule.isBroken(config))
    .map((rule) => rule.text(config));
}

/**
 * Problems between variables of the table and tokens of the environment: those would let in nobody, and whoever set
 * them does not expect a server that lets in everyone.
 */
export function provisioningProblems(
  config: Config,
  { tokens }: Provisioning,
  badNames: ReadonlySet<OptionName>,
): string[] {
  if (tokens.length === 0 || config.authDisabled || needsTokens(config)) return [];
  if (badNames.has('apiToken') || badNames.has('initApiToken')) return [];
  return [`RS_TOKEN_* need ${TOKEN} or ${INIT_TOKEN}: without them requests need no token at all`];
}

/** What an operator should know about a configuration that is allowed. */
export function crossWarnings(config: Config, provisioning: Provisioning): string[] {
  const { tokens, buckets, lifecycles, replications } = provisioning;
  const { host, replicationVerifySsl, certPath, certKeyPath } = config;
  const warnings: string[] = [];
  if (!needsTokens(config)) {
    warnings.push(
      isLoopback(host)
        ? `${TOKEN} is not set: listening on ${host} only, and every request there has full access`
        : `${DISABLE}: everyone who reaches ${host} has full access`,
    );
  }
  if (config.authDisabled && tokens.length > 0) {
    warnings.push(`${DISABLE}: tokens of RS_TOKEN_* are not provisioned`);
  }
  if (certKeyPath !== undefined && certPath === undefined) {
    warnings.push(
      `${OPTIONS.certKeyPath.env} without ${OPTIONS.certPath.env}: the server speaks plain HTTP`,
    );
  }
  if (isReadOnlyRole(config) && buckets.length + lifecycles.length + replications.length > 0) {
    warnings.push(
      `${OPTIONS.instanceRole.env}=REPLICA changes nothing: RS_BUCKET_*, RS_LIFECYCLE_* and RS_REPLICATION_* are not provisioned`,
    );
  }
  if (!replicationVerifySsl) {
    warnings.push(
      `${OPTIONS.replicationVerifySsl.env}=false: certificates of targets are not checked`,
    );
  }
  return warnings;
}
