/** Priority of a thread against the others of its process. */
import { readlinkSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';
import { basename } from 'node:path';

/** About a third of the main thread's share of a core that both want (the kernel's table of weights: 1024 to 335). */
const BACKGROUND_NICE = 5;
const LOWEST_PRIORITY: number = constants.priority.PRIORITY_LOW;

/**
 * Lets the calling thread stand back behind those of ordinary priority where they compete for a core. Linux only, where
 * threads have priorities of their own; elsewhere it does nothing, because the call would mean the whole process.
 * @throws Error of the system when it is forbidden.
 */
export function standBack(): void {
  if (process.platform !== 'linux') return;
  // `<pid>/task/<tid>`: what the system calls take for one thread.
  const tid = Number(basename(readlinkSync('/proc/thread-self')));
  setPriority(tid, Math.min(getPriority(tid) + BACKGROUND_NICE, LOWEST_PRIORITY));
}
