/** Lifecycle policies (http-api-extras §5): what removes old records by itself. */

export type LifecycleType = 'delete' | 'compress';
export type LifecycleMode = 'enabled' | 'disabled' | 'dry_run';

/** A policy in the terms of the wire; texts as given. */
export interface LifecycleSettings {
  readonly type: LifecycleType;
  readonly bucketName: string;
  /** Patterns of http-api-records §6.2; without an inclusion all entries. Never those with attachments. */
  readonly entries: readonly string[];
  readonly olderThan: string;
  readonly interval: string;
  /** JSON text of the condition. */
  readonly whenText: string | undefined;
  readonly processingInterval: string | undefined;
  readonly mode: LifecycleMode;
}

/** Settings that were checked, in numbers. */
export interface LifecyclePlan {
  readonly settings: LifecycleSettings;
  readonly olderThanUs: bigint;
  readonly intervalMs: number;
  /** Longest stretch of record time that one run goes through. */
  readonly processingUs: bigint;
}

/** What one run did; the system event of the family `lifecycle` tells it (http-api-extras §3). */
export interface LifecycleRun {
  readonly policyName: string;
  readonly actionType: LifecycleType;
  readonly bucketName: string;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** Removed, or with `dry_run` what would have been. */
  readonly processedRecords: number;
  /** Blocks of the contract that are gone. */
  readonly processedBlocks: number;
  /** Nothing that is old enough was left when it ended. */
  readonly isCaughtUp: boolean;
  /** End of the record time it went through, µs inclusive; absent when there was nothing. */
  readonly lastProcessedTs?: bigint;
  /** 200, or that of the error which ended the run. */
  readonly status: number;
  /** Text of the error, empty for none. */
  readonly message: string;
}
