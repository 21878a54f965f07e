/** What a target tells about itself when it is asked for the bucket. */
import type { AnswerHeaders } from '../answer-headers.ts';

export interface ApiVersion {
  readonly major: number;
  readonly minor: number;
}

export interface TargetInfo {
  /** `x-reduct-api`; `null` when it is missing or unreadable. */
  readonly apiVersion: ApiVersion | null;
}

export function readTargetInfo(headers: AnswerHeaders): TargetInfo {
  return { apiVersion: parseApiVersion(headers['x-reduct-api']) };
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
