/** What settings have to be beyond their form, in the order and with the texts of http-api-extras §5. */
import { ApiError } from '../errors/errors.ts';
import { compileCondition } from '../when/condition.ts';
import { parseDuration } from '../when/duration-text.ts';
import { parseJson } from '../wire/json.ts';
import type { LifecyclePlan, LifecycleSettings } from './types.ts';

const US_PER_MS = 1_000n;
const US_PER_MINUTE = 60_000_000n;
const MIN_OLDER_THAN_US = 60n * US_PER_MINUTE;
const MIN_INTERVAL_US = 10n * US_PER_MINUTE;
/** Without `processing_interval`, in intervals. */
const DEFAULT_PROCESSING_INTERVALS = 24n;

/** @param hasBucket whether a bucket of that name is there. @throws ApiError 404, 422. */
export function checkLifecycle(
  name: string,
  settings: LifecycleSettings,
  hasBucket: (bucketName: string) => boolean,
): LifecyclePlan {
  const { bucketName, olderThan, interval, processingInterval } = settings;
  if (!hasBucket(bucketName)) {
    throw new ApiError(404, `Bucket '${bucketName}' for lifecycle '${name}' does not exist`);
  }
  const olderThanUs = durationUs('older_than', olderThan);
  if (olderThanUs < MIN_OLDER_THAN_US) throw tooShort('older_than', olderThan, '1h');
  const intervalUs = durationUs('interval', interval);
  if (intervalUs < MIN_INTERVAL_US) throw tooShort('interval', interval, '10m');
  const processingUs =
    processingInterval === undefined
      ? DEFAULT_PROCESSING_INTERVALS * intervalUs
      : durationUs('processing_interval', processingInterval);
  if (processingUs <= 0n) {
    throw new ApiError(
      422,
      `Lifecycle processing_interval '${processingInterval}' must be positive`,
    );
  }
  checkCondition(settings);
  return { settings, olderThanUs, intervalMs: Number(intervalUs / US_PER_MS), processingUs };
}

function checkCondition({ type, whenText }: LifecycleSettings): void {
  if (whenText === undefined) return;
  if (type === 'compress') {
    throw new ApiError(422, "Lifecycle type 'compress' does not support 'when' condition");
  }
  let ext: unknown;
  try {
    ({ ext } = compileCondition(parseJson(whenText, { keepFloats: true })).directives);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new ApiError(422, `Invalid lifecycle condition: ${error.message}`);
  }
  if (ext !== undefined) {
    throw new ApiError(422, "Lifecycle condition cannot use '#ext' directive");
  }
}

function durationUs(member: string, text: string): bigint {
  const us = parseDuration(text);
  if (us !== undefined) return us;
  throw new ApiError(
    422,
    `Invalid lifecycle ${member} '${text}': Value '${text}' could not be parsed as duration`,
  );
}

function tooShort(member: string, text: string, minimum: string): ApiError {
  return new ApiError(
    422,
    `Lifecycle ${member} '${text}' is shorter than minimum allowed value of ${minimum}`,
  );
}
