/**
 * Counts requests in groups of equal token, method, path, status, message and client address, and hands each group over
 * as one event. On the path of every request: the call of a group that is open costs a look into a map and some
 * comparisons, and allocates nothing.
 *
 * Bounded in groups and bytes by the policy *merge*: while the bound is reached, calls that would open another group
 * count in one group per token, method and status, without path, message and address. Whatever happens, the number of
 * calls of a token is right, unless even those are too many: then calls are *dropped*. Both are counted.
 */
import type { EventClock } from './event-clock.ts';
import { inSlices } from './in-slices.ts';
import { secondsOf } from './seconds.ts';
import type { AuditedRequest, EventSink, RequestAudit } from './types.ts';

/** A group without a new call for so long is handed over (http-api-extras §3). */
export const QUIET_MS = 5_000;
/** A group is handed over at the latest after so long. */
export const MAX_OPEN_MS = 60_000;

/** A fleet of 16 000 sensors that write into an entry each. */
const MAX_GROUPS = 16_384;
const MAX_BYTES = 16 * 1024 * 1024;
/** Tokens × methods × statuses, with room. */
const MAX_MERGED_GROUPS = 1024;
/** Of a group besides its texts, about. */
const GROUP_BYTES = 256;

/** What of a path or message tells groups apart; clients can make them as long as a request head. */
const MAX_TEXT_LENGTH = 1024;

/** Groups of one path that are compared one by one; further ones are found by a composed key. */
const MAX_COMPARED = 8;

/** Events of one turn of the event loop. */
const SLICE_GROUPS = 64;

const MERGED_PATH = '*';
const MERGED_MESSAGE = 'too many different requests at once: these were counted together';

interface AuditGroup extends AuditedRequest {
  readonly status: number;
  readonly message: string;
  readonly timestampUs: number;
  readonly firstMs: number;
  lastMs: number;
  calls: number;
  durationMs: number;
}

export interface AuditFigures {
  readonly groups: number;
  readonly bytes: number;
  readonly mergedCalls: number;
  readonly droppedCalls: number;
}

export interface AuditLogOptions {
  readonly clock: EventClock;
  readonly sink: EventSink;
  /** Told when the event of a token's group is durable. */
  readonly onStored: (tokenName: string, timestampUs: number) => void;
  /** For tests; 16 384. */
  readonly maxGroups?: number;
}

export class AuditLog implements RequestAudit {
  readonly #options: AuditLogOptions;
  readonly #maxGroups: number;
  readonly #open = new Set<AuditGroup>();
  /** The first groups of each path. */
  readonly #byPath = new Map<string, AuditGroup[]>();
  /** Groups of paths that have many, and merged ones. */
  readonly #byKey = new Map<string, AuditGroup>();
  #bytes = 0;
  #mergedGroups = 0;
  #mergedCalls = 0;
  #droppedCalls = 0;
  #isFlushing = false;

  constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#maxGroups = options.maxGroups ?? MAX_GROUPS;
  }

  get figures(): AuditFigures {
    return {
      groups: this.#open.size,
      bytes: this.#bytes,
      mergedCalls: this.#mergedCalls,
      droppedCalls: this.#droppedCalls,
    };
  }

  observe(
    request: AuditedRequest,
    status: number,
    message: string,
    durationMs: number,
    nowMs: number,
  ): void {
    const near = this.#byPath.get(request.path);
    const group =
      (near === undefined ? undefined : findIn(near, request, status, message)) ??
      this.#groupFor(request, status, message, nowMs);
    if (group === undefined) {
      this.#droppedCalls++;
      return;
    }
    group.calls++;
    group.durationMs += durationMs;
    group.lastMs = nowMs;
  }

  /** Time of the token's last call that is not handed over yet, ms since the epoch. Linear in the open groups. */
  lastUseMs(tokenName: string): number | undefined {
    let latestMs: number | undefined;
    for (const group of this.#open) {
      if (group.tokenName !== tokenName || group.status === 401) continue;
      const usedMs = group.timestampUs / 1000 + group.lastMs - group.firstMs;
      latestMs = Math.max(latestMs ?? 0, usedMs);
    }
    return latestMs;
  }

  /** Hands over the groups whose time has come, in slices of a turn of the event loop each. */
  flushDue(nowMs: number): void {
    if (this.#isFlushing || this.#open.size === 0) return;
    this.#isFlushing = true;
    const due: AuditGroup[] = [];
    for (const group of this.#open) if (isDue(group, nowMs)) due.push(group);
    let at = 0;
    inSlices(() => {
      for (const group of due.slice(at, at + SLICE_GROUPS)) this.#handOver(group);
      at += SLICE_GROUPS;
      this.#isFlushing = at < due.length;
      return this.#isFlushing;
    });
  }

  /** Hands over everything at once. */
  flushAll(): void {
    for (const group of this.#open) this.#handOver(group);
  }

  /** No group of the path's first ones. Allocates. */
  #groupFor(
    request: AuditedRequest,
    status: number,
    message: string,
    nowMs: number,
  ): AuditGroup | undefined {
    const exact: AuditedRequest = { ...partsOf(request), path: cut(request.path) };
    const text = cut(message);
    const near = this.#byPath.get(exact.path);
    const known =
      (near === undefined ? undefined : findIn(near, exact, status, text)) ??
      this.#byKey.get(keyOf(exact, status, text));
    if (known !== undefined) {
      if (near === undefined || near.length < MAX_COMPARED) this.#bringNear(known);
      return known;
    }
    const bytes = GROUP_BYTES + exact.path.length + text.length + exact.clientIp.length;
    const isFull =
      this.#open.size - this.#mergedGroups >= this.#maxGroups || this.#bytes + bytes > MAX_BYTES;
    if (isFull) return this.#mergedGroup(exact, status, nowMs);
    const group = this.#add(exact, status, text, nowMs);
    this.#byKey.set(keyOf(exact, status, text), group);
    if (near === undefined || near.length < MAX_COMPARED) this.#bringNear(group);
    return group;
  }

  /** From the composed keys to the groups that are compared one by one. */
  #bringNear(group: AuditGroup): void {
    const near = this.#byPath.get(group.path);
    if (near?.includes(group) === true) return;
    this.#byKey.delete(keyOf(group, group.status, group.message));
    if (near === undefined) this.#byPath.set(group.path, [group]);
    else near.push(group);
  }

  #mergedGroup(request: AuditedRequest, status: number, nowMs: number): AuditGroup | undefined {
    const merged: AuditedRequest = { ...partsOf(request), path: MERGED_PATH, clientIp: '' };
    const key = keyOf(merged, status, MERGED_MESSAGE);
    let group = this.#byKey.get(key);
    if (group === undefined) {
      if (this.#mergedGroups >= MAX_MERGED_GROUPS) return undefined;
      group = this.#add(merged, status, MERGED_MESSAGE, nowMs);
      this.#mergedGroups++;
      this.#byKey.set(key, group);
    }
    this.#mergedCalls++;
    return group;
  }

  #add(request: AuditedRequest, status: number, message: string, nowMs: number): AuditGroup {
    const group: AuditGroup = {
      ...request,
      status,
      message,
      timestampUs: this.#options.clock.nextUs(),
      firstMs: nowMs,
      lastMs: nowMs,
      calls: 0,
      durationMs: 0,
    };
    this.#open.add(group);
    this.#bytes += bytesOf(group);
    return group;
  }

  #handOver(group: AuditGroup): void {
    // Between two slices everything may have been handed over.
    if (!this.#open.has(group)) return;
    this.#forget(group);
    const { tokenName, method, path, clientIp, status, message, timestampUs } = group;
    const { sink, onStored } = this.#options;
    sink.emit({
      family: 'audit',
      name: tokenName,
      timestampUs,
      status,
      message,
      fields: {
        token_name: tokenName,
        method: method.toUpperCase(),
        path,
        client_ip: clientIp === '' ? null : clientIp,
        call_count: group.calls,
        duration: secondsOf(group.durationMs),
      },
      onStored: () => onStored(tokenName, timestampUs),
    });
  }

  #forget(group: AuditGroup): void {
    this.#open.delete(group);
    this.#bytes -= bytesOf(group);
    const near = this.#byPath.get(group.path);
    const at = near?.indexOf(group) ?? -1;
    if (near !== undefined && at !== -1) {
      near.splice(at, 1);
      if (near.length === 0) this.#byPath.delete(group.path);
      return;
    }
    this.#byKey.delete(keyOf(group, group.status, group.message));
    if (group.message === MERGED_MESSAGE) this.#mergedGroups--;
  }
}

/** Merged groups are in no list of a path: a path cannot be `*`. */
function findIn(
  groups: readonly AuditGroup[],
  { tokenName, method, clientIp }: AuditedRequest,
  status: number,
  message: string,
): AuditGroup | undefined {
  for (const group of groups) {
    const isSame =
      group.status === status &&
      group.tokenName === tokenName &&
      group.method === method &&
      group.clientIp === clientIp &&
      group.message === message;
    if (isSame) return group;
  }
  return undefined;
}

function isDue({ firstMs, lastMs }: AuditGroup, nowMs: number): boolean {
  return nowMs - lastMs >= QUIET_MS || nowMs - firstMs >= MAX_OPEN_MS;
}

function bytesOf({ path, message, clientIp }: AuditGroup): number {
  return GROUP_BYTES + path.length + message.length + clientIp.length;
}

/** Line feeds occur in none of the parts but the message. */
function keyOf(
  { tokenName, method, path, clientIp }: AuditedRequest,
  status: number,
  message: string,
): string {
  return [method, path, clientIp, status, tokenName, message].join('\n');
}

/** Only the members of the interface: a request is a larger object. */
function partsOf({ tokenName, method, path, clientIp }: AuditedRequest): AuditedRequest {
  return { tokenName, method, path, clientIp };
}

/** A cut text is copied, as a part of a text keeps the whole of it alive. */
function cut(text: string): string {
  if (text.length <= MAX_TEXT_LENGTH) return text;
  return Buffer.from(text.slice(0, MAX_TEXT_LENGTH)).toString();
}
