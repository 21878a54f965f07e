/** Answers of the replication routes (replication §1.3, §1.5) as JSON texts. */
import type { HourlyDiagnosticsJson } from './diagnostics.ts';
import type { LetterFigures } from './letters/letter.ts';
import type { EntryLagFigures } from './lag/entry-lag.ts';
import type { MinuteFigures } from './lag/minute-rate.ts';
import { lagJson } from './lag/lag-json.ts';
import type { PendingFigures } from './pending.ts';
import { toDetailJson } from './settings.ts';
import { unknownLosses } from './source-losses.ts';
import type { Task } from './task.ts';
import { chooseCoding } from './transfer/compression.ts';

const DAY_MS = 86_400_000;

/** What the answers need besides the task itself. */
export interface TaskView {
  readonly task: Task;
  readonly pending: PendingFigures;
  readonly lagMs: number;
  readonly rate: MinuteFigures;
  /** Seconds until the task has caught up; `null`: not foreseeable. */
  readonly catchUpS: number | null;
  readonly letters: LetterFigures;
}

/** Body of the list. Items come in the given order. */
export function listJson(views: readonly TaskView[], isExtended: boolean): string {
  const items = views.map((view) =>
    infoJson(view, isExtended ? `,${extendedJson(view, null)}` : ''),
  );
  return `{"replications":[${items.join(',')}]}`;
}

/** Body of the detail: exactly these members, in this order; official clients compare the whole. */
export function detailJson(
  view: TaskView,
  isExtended: boolean,
  entries: EntryLagFigures | null,
): string {
  const { task } = view;
  const members = [
    `"info":${infoJson(view, '')}`,
    `"settings":${toDetailJson(task.settings)}`,
    `"diagnostics":{"hourly":${JSON.stringify(hourly(task))}}`,
  ];
  if (isExtended) members.push(extendedJson(view, entries));
  return `{${members.join(',')}}`;
}

function infoJson({ task, pending }: TaskView, extension: string): string {
  const info = JSON.stringify({
    name: task.name,
    mode: task.mode,
    is_active: task.isActive,
    is_provisioned: task.isProvisioned,
    pending_records: pending.records,
  });
  return `${info.slice(0, -1)}${extension}}`;
}

function extendedJson(view: TaskView, entries: EntryLagFigures | null): string {
  const { task, pending, lagMs, letters } = view;
  const { totals, diagnostics } = task;
  const extended = {
    has_token: task.settings.dstToken !== null || task.settings.lockedToken !== null,
    pending_bytes: pending.bytes,
    pending_is_exact: pending.isExact,
    lag_seconds: lagMs / 1000,
    lag: lagJson(view, entries),
    backlog_segments: pending.behind.backlogSegments,
    backlog_records: pending.behind.backlogRecords,
    backfills: pending.behind.backfills,
    backfill_records: pending.behind.backfillRecords,
    last_contact: isoTime(task.lastContactMs),
    last_success: isoTime(task.lastSuccessMs),
    last_error: lastError(task),
    dropped_records: task.removedAtSource,
    dropped_by_cause: droppedByCause(task),
    dropped_by_log_size: task.droppedRecords,
    dead_letters: letters.current,
    dead_letter_counts: letterCounts(letters),
    sent_records: totals.sentRecords,
    sent_bytes: totals.sentBytes,
    batches: totals.batches,
    duplicates: totals.duplicates,
    retries: totals.retries,
    looped_records: totals.looped,
    condition_errors: totals.conditionErrors,
    target_api: apiText(task),
    compression: compressionJson(task),
    ...budgetState(task),
    total: diagnostics.total(),
    per_minute: diagnostics.perMinute(),
  };
  return `"extended":${JSON.stringify(extended)}`;
}

/** As far as the task has come to the places. */
function droppedByCause({ removedAtSource, losses }: Task): object {
  const counts = losses.byCause(removedAtSource);
  return { ...counts, unknown: unknownLosses(removedAtSource, counts) };
}

function letterCounts(letters: LetterFigures): object {
  const { queued, added, delivered, refusedAgain, discarded, agedOut, gone } = letters;
  return {
    queued,
    added,
    delivered,
    refused_again: refusedAgain,
    gone,
    discarded,
    aged_out: agedOut,
  };
}

/** Nothing for tasks without a budget. */
function budgetState({ settings, budget }: Task): object {
  if (settings.budget === null) return {};
  const { state, changesAtMs, use, leftBytes } = budget.plan(settings.budget, Date.now());
  const changesAt = isoTime(changesAtMs);
  const texts = {
    open: 'sending is allowed',
    window: `waiting for window${changesAt === null ? '' : ` until ${changesAt}`}`,
    day: `the bytes of the day are used until ${changesAt}`,
  };
  const value = {
    state,
    text: texts[state],
    changes_at: changesAt,
    day: new Date(use.day * DAY_MS).toISOString().slice(0, 10),
    used_bytes_today: use.bytes,
    left_bytes_today: Number.isFinite(leftBytes) ? leftBytes : null,
  };
  return { budget: value };
}

function apiText({ target }: Task): string | null {
  const version = target?.apiVersion ?? null;
  return version && `${version.major}.${version.minor}`;
}

function compressionJson({ settings, target, compressionNote, totals }: Task): object {
  const { plainBytes, compressedBytes } = totals;
  return {
    coding: chooseCoding(settings.compression, target).coding,
    note: compressionNote,
    plain_bytes: plainBytes,
    compressed_bytes: compressedBytes,
    ratio: compressedBytes === 0 ? null : plainBytes / compressedBytes,
  };
}

/** What keeps the task from running at this moment, whatever the target does. */
function standingError(task: Task): { readonly code: number; readonly message: string } | null {
  if (task.loadError !== null) return { code: 422, message: task.loadError };
  return task.isSourceMissing ? { code: 404, message: 'source bucket missing' } : null;
}

/** The last hour; official clients show its errors, so one that stands is among them as long as it does. */
function hourly(task: Task): HourlyDiagnosticsJson {
  const json = task.diagnostics.toJson();
  const standing = standingError(task);
  if (standing === null) return json;
  const { code, message } = standing;
  const count = Math.max(1, json.errors[code]?.count ?? 0);
  const errors = { ...json.errors, [code]: { count, last_message: message } };
  return { ...json, errored: Math.max(1, json.errored), errors };
}

function lastError(task: Task): object | null {
  const standing = standingError(task);
  if (standing !== null) return { ...standing, time: null };
  const { lastError: error } = task;
  return error && { code: error.key, message: error.message, time: isoTime(error.atMs) };
}

function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
