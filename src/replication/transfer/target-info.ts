/** What a target tells about itself when it is asked for the bucket. */
import type { AnswerHeaders } from '../answer-headers.ts';

export interface ApiVersion {
  readonly major: number;
  readonly minor: number;
}

export interface TargetInfo {
  /** `x-reduct-api`; `null` when it is missing or unreadable. */
  readonly apiVersion: ApiVersion | null;
  /** `x-instance-id`; `null` for servers that are not Millrace. */
  readonly instanceId: string | null;
  /** `x-bucket-id`: number of the bucket within that instance. */
  readonly bucketId: number | null;
}

/** What targets of old versions cannot do (replication §5.12). One whose version is not known is taken for a new one. */
export interface Lacks {
  /** The batch update of labels. */
  readonly updates: boolean;
  /** Entries with `/` in their names, and attachments. */
  readonly nesting: boolean;
}

const UPDATES_SINCE: ApiVersion = { major: 1, minor: 11 };
const NESTING_SINCE: ApiVersion = { major: 1, minor: 19 };

export function lacksOf(target: TargetInfo | null): Lacks {
  const version = target?.apiVersion ?? null;
  return {
    updates: version !== null && !isAtLeast(version, UPDATES_SINCE),
    nesting: version !== null && !isAtLeast(version, NESTING_SINCE),
  };
}

export function readTargetInfo(headers: AnswerHeaders): TargetInfo {
  const instanceId = headers['x-instance-id'];
  const bucketId = headers['x-bucket-id'];
  const isIdentified = typeof instanceId === 'string' && /^[\w-]{8,64}$/.test(instanceId);
  const hasBucket = typeof bucketId === 'string' && /^\d{1,10}$/.test(bucketId);
  return {
    apiVersion: parseApiVersion(headers['x-reduct-api']),
    instanceId: isIdentified ? instanceId : null,
    bucketId: hasBucket ? Number(bucketId) : null,
  };
}

/** @returns `null` for anything but `<major>.<minor>`. */
export function parseApiVersion(text: AnswerHeaders[string]): ApiVersion | null {
  if (typeof text !== 'string') return null;
  const [, major, minor] = /^\s*(\d{1,6})\.(\d{1,6})\s*$/.exec(text) ?? [];
  return major === undefined || minor === undefined
    ? null
    : { major: Number(major), minor: Number(minor) };
}

export function isAtLeast(version: ApiVersion, wanted: ApiVersion): boolean {
  return (
    version.major > wanted.major ||
    (version.major === wanted.major && version.minor >= wanted.minor)
  );
}
