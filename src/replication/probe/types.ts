/** Trying a task before it is saved: what is asked of a worker, and its findings. Plain data. */
import type { Compression } from '../settings.ts';

/** What is tried. */
export interface TargetTrial {
  readonly dstHost: string;
  readonly dstToken: string | null;
  /** The task has a token for another URL, which is not given to this one. */
  readonly isTokenWithheld: boolean;
  readonly dstBucket: string;
  /** Without slashes at its ends. */
  readonly dstPrefix: string;
  readonly compression: Compression;
  /** The URL's text says that this is the source bucket itself. */
  readonly isOwnByName: boolean;
  /** Instance and bucket that the task would read; the bucket's id is `null` when there is none. */
  readonly sourceInstanceId: string;
  readonly sourceBucketId: number | null;
}

export type FindingStatus = 'ok' | 'warning' | 'error' | 'skipped';

export type FindingName =
  | 'dns'
  | 'connection'
  | 'certificate'
  | 'version'
  | 'token'
  | 'bucket'
  | 'loop'
  | 'compression'
  | 'clock'
  | 'round_trip';

/** In the form of the wire. */
export interface Finding {
  readonly name: FindingName;
  readonly status: FindingStatus;
  /** What was found, for people. */
  readonly message: string;
  /** What to do about it; `null` when there is nothing to do. */
  readonly hint: string | null;
  /** The same for programs; members depend on `name`. */
  readonly details: Readonly<Record<string, unknown>>;
}
