/** How the heaps of threads begin. */
import { setFlagsFromString } from 'node:v8';

/**
 * A thread that moves payloads makes garbage in old space faster than its small heap grows, and V8 marks all of it each
 * time 7 MB are new: some fifteen times a second while a task catches up. Beginning with more room costs at most as much
 * memory per thread and took about 15 % of the CPU of a record away (1 KiB records, Node.js 20.20, one pair of runs).
 */
const OLD_SPACE_MB = 64;

/**
 * Of each half of the young space. It begins with 1 MB and grows with what survives, which is next to nothing here: a
 * query thread collected it once in 1 700 records, and each time woke the threads of V8 that stand in the way of the
 * main thread where cores are short.
 */
const SEMI_SPACE_MB = 8;

/** Holds for threads that are started afterwards; the main thread keeps its heap. */
export function setWorkerHeaps(): void {
  setFlagsFromString(`--initial-old-space-size=${OLD_SPACE_MB}`);
  setFlagsFromString(`--min-semi-space-size=${SEMI_SPACE_MB}`);
}
