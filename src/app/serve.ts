/** The server as a process: configuration, logger, one instance, and the signals that stop it. */
import { loadConfig, redactConfig } from '../config/load-config.ts';
import { needsTokens } from '../config/rules.ts';
import { MillraceError } from '../errors/errors.ts';
import type { Logger } from '../logging/logger.ts';
import { createLogger } from '../logging/logger.ts';
import { Instance } from './instance.ts';

const EXIT_FAILURE = 1;
/** After the bounded stop of all parts: what is left is not worth waiting for. */
const STOP_GRACE_MS = 5_000;

/**
 * Starts a server as `process.env` says and returns once it is ready. It runs until a signal stops it, then the process
 * exits. A start that fails ends the process with exit code 1.
 * @throws ConfigError for an environment that cannot work.
 */
export async function startServer(): Promise<void> {
  const { config, provisioning, warnings, errors } = loadConfig(process.env);
  const logger = createLogger(config);
  for (const error of errors) logger.error(error);
  for (const warning of warnings) logger.warn(warning);
  logger.debug({ config: redactConfig(config) }, 'configuration');
  let instance: Instance | undefined;
  try {
    instance = new Instance(config, logger, provisioning);
    stopOnSignal(instance, logger, config.stopTimeoutMs);
    const port = await instance.start();
    const { host, apiBasePath, dataPath, durability, certPath } = config;
    const scheme = certPath === undefined ? 'http' : 'https';
    logger.info(
      { url: `${scheme}://${host}:${port}${apiBasePath}api/v1`, dataPath, durability },
      needsTokens(config) ? 'ready' : 'ready, without authentication',
    );
  } catch (error) {
    // A SECONDARY that is stopped while it waits: the stop ends the process.
    if (instance?.isStopping === true) return;
    logger.error(describeFailure(error), 'the server could not start');
    process.exit(EXIT_FAILURE);
  }
}

function stopOnSignal(instance: Instance, logger: Logger, stopTimeoutMs: number): void {
  let isStopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (isStopping) return;
    isStopping = true;
    logger.info({ signal }, 'stopping');
    const deadline = setTimeout(
      () => {
        logger.error('the stop takes too long, leaving now; acknowledged records are safe');
        process.exit(EXIT_FAILURE);
      },
      stopTimeoutMs * 2 + STOP_GRACE_MS,
    );
    deadline.unref();
    instance.stop().then(
      () => {
        logger.info('stopped');
        process.exit(0);
      },
      (error: unknown) => {
        logger.error(describeFailure(error), 'the stop failed');
        process.exit(EXIT_FAILURE);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function describeFailure(error: unknown): { err: unknown; hint?: string } {
  const hint = error instanceof MillraceError ? error.hint : undefined;
  return hint === undefined ? { err: error } : { err: error, hint };
}
