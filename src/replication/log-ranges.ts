/** The parts of the log that a task sends, when it was disabled in between. Pure. */
import type { Position } from '../catalog/positions.ts';
import type { LogGap } from './types.ts';

export interface Place {
  readonly position: Position;
  readonly gaps: readonly LogGap[];
}

/** The place without the gaps that the position has come to. At a gap that is open it stays. */
export function skipGaps({ position, gaps }: Place): Place {
  const [gap, ...rest] = gaps;
  if (gap === undefined || gap.resume === null || position.sequence < gap.from.sequence) {
    return { position, gaps };
  }
  // Something sent while the task was being disabled may lie behind the beginning of the gap, or even its end.
  const isBehind = position.sequence > gap.resume.sequence;
  return skipGaps({ position: isBehind ? position : gap.resume, gaps: rest });
}

/** Sequence up to which the log can be read from here without a break; `null`: up to the head. */
export function stopOf(gaps: readonly LogGap[]): number | null {
  return gaps[0]?.from.sequence ?? null;
}

/** The lower of two sequences, of which `null` is none. */
export function lowerStop(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

/** The gaps after the task is disabled at `head`. */
export function openGap(gaps: readonly LogGap[], head: Position): readonly LogGap[] {
  return gaps.at(-1)?.resume === null ? gaps : [...gaps, { from: head, resume: null }];
}

/** The gaps after the task is enabled or paused at `head`. */
export function closeGap(gaps: readonly LogGap[], head: Position): readonly LogGap[] {
  const last = gaps.at(-1);
  if (last === undefined || last.resume !== null) return gaps;
  return [...gaps.slice(0, -1), { from: last.from, resume: head }];
}

/** Where the log ends for a task: at its open gap, or at the end of the bucket's records. */
export function endOf(gaps: readonly LogGap[], bucketEnd: Position): Position {
  const last = gaps.at(-1);
  return last?.resume === null ? last.from : bucketEnd;
}

/** Records of the bucket between two positions, those in gaps left out. Label updates do not count. */
export function recordsBetween(from: Position, end: Position, gaps: readonly LogGap[]): number {
  let at = from;
  let records = 0;
  for (const gap of gaps) {
    if (gap.resume === null || gap.from.sequence < at.sequence) continue;
    records += Math.max(0, gap.from.bucketOrdinal - at.bucketOrdinal);
    at = gap.resume;
  }
  return records + Math.max(0, end.bucketOrdinal - at.bucketOrdinal);
}
