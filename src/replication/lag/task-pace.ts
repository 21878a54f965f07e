/**
 * When a task will have caught up, from two exact numbers: how many records of the source bucket it has passed, and how
 * many were written there. Both are looked at together, whenever somebody looks at the task.
 */
import { RateMeter } from '../ranges/rate-meter.ts';

export interface PaceSample {
  /** Changes when the task jumps to another place. */
  readonly epoch: number;
  /** Records of the bucket before the task's position, filtered ones included. */
  readonly passed: number;
  /** Records of the bucket in all. */
  readonly written: number;
}

export class TaskPace {
  #passed = new RateMeter();
  #written = new RateMeter();
  #last: PaceSample | null = null;

  /** @param nowMs monotonic. */
  sample(nowMs: number, sample: PaceSample): void {
    const last = this.#last;
    const isAnother =
      last !== null &&
      (last.epoch !== sample.epoch || sample.passed < last.passed || sample.written < last.written);
    if (isAnother) {
      this.#passed = new RateMeter();
      this.#written = new RateMeter();
    }
    this.#last = sample;
    this.#passed.add(nowMs, sample.passed, 0);
    this.#written.add(nowMs, sample.written, 0);
  }

  /**
   * Seconds until nothing is left, if the task and those who write go on as in the last minute; 0 when nothing is left now,
   * `null` when it does not get closer, or nobody looked before.
   */
  catchUpS(nowMs: number): number | null {
    const last = this.#last;
    if (last === null) return null;
    const left = last.written - last.passed;
    if (left <= 0) return 0;
    const closing = this.#passed.rate(nowMs).recordsPerS - this.#written.rate(nowMs).recordsPerS;
    return closing > 0 ? left / closing : null;
  }
}
