/** Timers of tasks that wait for their target, alone or together with others of the same origin. */
import { OriginGate } from './origin-gate.ts';
import type { Task } from './task.ts';

/** Tasks behind a gate try on their own after this time, whatever their scout says. */
const GATE_LIMIT_MS = 60_000;

export class TaskWaits {
  readonly #wake: (task: Task) => void;
  readonly #gate: OriginGate<Task> = new OriginGate();

  /** @param wake called when a task need not wait any more. */
  constructor(wake: (task: Task) => void) {
    this.#wake = wake;
  }

  wait(task: Task, waitMs: number): void {
    task.timer = setTimeout(() => this.#end(task), waitMs);
    task.timer.unref();
  }

  /** The target is unreachable: the scout of its origin tries again after `waitMs`, the others wait for it. */
  waitAtGate(task: Task, waitMs: number): void {
    const isScout = this.#gate.join(originOf(task), task);
    this.wait(task, isScout ? waitMs : GATE_LIMIT_MS);
  }

  /** The task's target answers: others that wait for it go on. */
  openGate(task: Task): void {
    for (const waiting of this.#gate.release(originOf(task))) {
      if (waiting !== task) this.#end(waiting);
    }
  }

  /** Ends the wait without waking; when the task was a scout, another one takes over. */
  clear(task: Task): void {
    clearTimeout(task.timer);
    task.timer = undefined;
    const scout = this.#gate.leave(task);
    if (scout !== undefined) this.#end(scout);
  }

  #end(task: Task): void {
    clearTimeout(task.timer);
    task.timer = undefined;
    this.#wake(task);
  }
}

function originOf(task: Task): string {
  const { dstHost } = task.settings;
  return URL.canParse(dstHost) ? new URL(dstHost).origin : dstHost;
}
