/** Seams of system events: what other parts tell, and what becomes of it. Main thread only. */
import type { LifecycleRun } from '../lifecycle/types.ts';

/** First segment of the entries of the `$system` bucket (http-api-extras §3). */
export const EVENT_FAMILIES = ['audit', 'usage', 'lifecycle', 'replications', 'logs'] as const;
export type EventFamily = (typeof EVENT_FAMILIES)[number];

/** One record of the `$system` bucket. */
export interface SystemEvent {
  readonly family: EventFamily;
  /** Last segment of the entry's name; characters that a name cannot have are replaced. */
  readonly name: string;
  /** Of the record, from `EventClock`; moves by some µs where the entry has a record of that time. */
  readonly timestampUs: number;
  readonly status: number;
  readonly message: string;
  /** Members of the document besides those that all have, in the order of the contract. */
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;
  /** Labels besides `status`: flat names and values. */
  readonly labels?: readonly string[];
  /** Called when the record is durable. */
  readonly onStored?: () => void;
}

export interface EventSink {
  /** Returns at once and never throws: what cannot be written is counted. */
  emit(event: SystemEvent): void;
}

/** What is known of a request when it has been answered. */
export interface AuditedRequest {
  /** `unauthorized` for every 401. */
  readonly tokenName: string;
  /** Lower case. */
  readonly method: string;
  /** As it was sent, without the query. */
  readonly path: string;
  /** Empty when it is unknown. */
  readonly clientIp: string;
}

export interface RequestAudit {
  /**
   * @param message text of the error, empty for none.
   * @param nowMs `performance.now()`.
   */
  observe(
    request: AuditedRequest,
    status: number,
    message: string,
    durationMs: number,
    nowMs: number,
  ): void;
}

/** Told of what clients read. */
export interface ReadMeter {
  /** @param bytes of content; 0 when only headers went out. */
  observe(bucketId: number, entryNames: readonly string[], records: number, bytes: number): void;
}

export interface LifecycleEvents {
  lifecycleRan(run: LifecycleRun): void;
}
