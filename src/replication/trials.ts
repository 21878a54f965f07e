/** Trying settings before they are saved: the target, and the filters. Changes nothing. Main thread only. */
import { ApiError, BugError } from '../errors/errors.ts';
import { isPlainName } from './entry-pattern.ts';
import type { ReplicationPool, ReplicationResult, TrialJob } from './messages.ts';
import { worstOf } from './probe/findings.ts';
import type { Finding } from './probe/types.ts';
import { parseDestinationUrl } from './destination-url.ts';
import {
  checkCondition,
  isSameBucket,
  type ServerIdentity,
  wouldMoveToken,
} from './settings-checks.ts';
import { parseBody } from './settings-body.ts';
import { givesToken, parseSettings, type ReplicationSettings } from './settings.ts';
import type { ReplicationSource } from './types.ts';

/** Trials at the same time; more get 429. They are for people, and each may wait for a silent target. */
const MAX_RUNNING = 4;

const DEFAULT_PREVIEW_RECORDS = 1_000;
const MAX_PREVIEW_RECORDS = 100_000;
const PREVIEW_BUDGET_MS = 10_000;

export interface TrialsOptions {
  readonly pool: ReplicationPool;
  readonly source: ReplicationSource;
  readonly identity: ServerIdentity;
}

export class Trials {
  readonly #options: TrialsOptions;
  #running = 0;

  constructor(options: TrialsOptions) {
    this.#options = options;
  }

  /**
   * Tries a target as a task would meet it.
   * @param bodyText settings as for create; empty: those of the task.
   * @param stored settings of the task; undefined when there is none of this name.
   * @returns the answer as JSON text. @throws ApiError 404, 422, 429.
   */
  async check(
    name: string,
    bodyText: string,
    stored: ReplicationSettings | undefined,
  ): Promise<string> {
    const { settings, isTokenWithheld } = readChecked(name, bodyText, stored);
    const { srcBucket, dstHost, dstToken, dstBucket, dstPrefix, compression } = settings;
    parseDestinationUrl(dstHost);
    const { identity, source } = this.#options;
    const trial = {
      dstHost,
      dstToken,
      isTokenWithheld,
      dstBucket,
      dstPrefix: dstPrefix.replace(/^\/+|\/+$/g, ''),
      compression,
      isOwnByName: isSameBucket(settings, identity),
      sourceInstanceId: identity.instanceId,
      sourceBucketId: source.bucket(srcBucket)?.id ?? null,
    };
    const result = await this.#run({ kind: 'try', trial });
    if (result.kind !== 'try') throw new BugError(`job try answered with ${result.kind}`);
    return checkJson(result.findings);
  }

  /**
   * Runs filters over the last records of the source bucket.
   * @param bodyText settings as for create, those of the destination optional, and `records`; without settings: the task's.
   * @returns the answer as JSON text. @throws ApiError 404, 422, 429.
   */
  async preview(
    name: string,
    bodyText: string,
    stored: ReplicationSettings | undefined,
  ): Promise<string> {
    const { settings, records } = readPreviewed(name, bodyText, stored);
    checkCondition(settings.whenText);
    const { source } = this.#options;
    const bucket = source.bucket(settings.srcBucket);
    if (bucket === undefined) {
      const text = `Source bucket '${settings.srcBucket}' for replication '${name}' does not exist`;
      throw new ApiError(404, text);
    }
    const entries = source.entryNames(bucket.id, 0);
    checkEntries(settings, entries);
    const preview = { settings, entries, maxRecords: records, budgetMs: PREVIEW_BUDGET_MS };
    const result = await this.#run({ kind: 'preview', preview });
    if (result.kind !== 'preview') throw new BugError(`job preview answered with ${result.kind}`);
    return result.json;
  }

  async #run(job: TrialJob): Promise<ReplicationResult> {
    if (this.#running >= MAX_RUNNING) {
      throw new ApiError(
        429,
        'Too many checks and previews run at this moment, try again in a few seconds',
      );
    }
    this.#running++;
    try {
      return await this.#options.pool.run(job);
    } finally {
      this.#running--;
    }
  }
}

function checkJson(findings: readonly Finding[]): string {
  const status = worstOf(findings);
  const first = findings.find((finding) => finding.status === status);
  const summary =
    status === 'ok' || first === undefined
      ? 'a task with these settings can send'
      : `${first.name}: ${first.message}`;
  return JSON.stringify({ status, summary, checks: findings });
}

interface Checked {
  readonly settings: ReplicationSettings;
  readonly isTokenWithheld: boolean;
}

/** A token that is not given is the stored one, and only for the URL that it was given for. */
function readChecked(
  name: string,
  bodyText: string,
  stored: ReplicationSettings | undefined,
): Checked {
  if (bodyText.trim() === '') return { settings: existing(name, stored), isTokenWithheld: false };
  const { body, whenText } = parseBody(bodyText);
  const settings = parseSettings(body, 'create', whenText);
  if (stored === undefined || givesToken(body)) return { settings, isTokenWithheld: false };
  if (wouldMoveToken(stored, settings.dstHost)) return { settings, isTokenWithheld: true };
  const { dstToken, lockedToken } = stored;
  return { settings: { ...settings, dstToken, lockedToken }, isTokenWithheld: false };
}

function readPreviewed(
  name: string,
  bodyText: string,
  stored: ReplicationSettings | undefined,
): { readonly settings: ReplicationSettings; readonly records: number } {
  const { body, whenText } = parseBody(bodyText.trim() === '' ? '{}' : bodyText);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ApiError(422, 'Invalid JSON: expected an object with settings and records');
  }
  const { records: wanted, ...members } = { records: undefined, ...body };
  const records = readRecords(wanted);
  if (Object.keys(members).length === 0) return { settings: existing(name, stored), records };
  // Filters do not depend on the destination.
  const filled = { dst_bucket: '', dst_host: '', ...members };
  return { settings: parseSettings(filled, 'create', whenText), records };
}

function readRecords(value: unknown): number {
  if (value === undefined || value === null) return DEFAULT_PREVIEW_RECORDS;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1) {
    if (value <= MAX_PREVIEW_RECORDS) return value;
  }
  throw new ApiError(422, `records has to be an integer from 1 to ${MAX_PREVIEW_RECORDS}`);
}

function existing(name: string, stored: ReplicationSettings | undefined): ReplicationSettings {
  if (stored !== undefined) return stored;
  throw new ApiError(
    404,
    `Replication '${name}' does not exist: send settings as for creating it, or name one that does`,
  );
}

/** A name without wildcards that nobody has is rather a mistake; a task may be meant for what comes later. */
function checkEntries(
  { entries, srcBucket }: ReplicationSettings,
  known: readonly (readonly [number, string])[],
): void {
  const names = new Set(known.map(([, name]) => name));
  for (const pattern of entries) {
    const name = pattern.replace(/^\/+/, '');
    if (!isPlainName(pattern) || names.has(name)) continue;
    throw new ApiError(
      404,
      `Entry '${name}' does not exist in bucket '${srcBucket}'; a task would wait for it`,
    );
  }
}
