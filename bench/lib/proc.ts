/** What Linux tells about another process. All functions read `/proc` synchronously. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Ticks per second of the CPU times in `/proc/<pid>/stat`. */
const TICKS_PER_SECOND: number = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
/** Fields behind the process name, counted from 0: utime is field 14 of proc(5), the name field 2. */
const UTIME_FIELD = 11;
const STIME_FIELD = 12;

export interface ProcessMemory {
  /** Resident memory, in bytes. */
  readonly residentBytes: number;
  /** The part of it that belongs to no file, in bytes: heaps, stacks, memory shared between threads (the ring). */
  readonly anonymousBytes: number;
}

export interface ProcessIo {
  /** Bytes that the process caused to be sent to the storage layer. */
  readonly writeBytes: number;
  /** Of these, bytes of deleted files that never reached it. */
  readonly cancelledWriteBytes: number;
}

/** User and system time of all threads of a process, also of those that ended, in µs. Steps of a clock tick (10 ms). */
export function cpuTimeUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name may contain blanks and brackets; the last bracket ends it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[UTIME_FIELD]) + Number(fields[STIME_FIELD]);
  return (ticks * 1e6) / TICKS_PER_SECOND;
}

export function processMemory(pid: number): ProcessMemory {
  const fields = fieldsOf(`/proc/${pid}/status`);
  return {
    residentBytes: 1024 * (fields.get('VmRSS') ?? 0),
    anonymousBytes: 1024 * (fields.get('RssAnon') ?? 0),
  };
}

export function processIo(pid: number): ProcessIo {
  const fields = fieldsOf(`/proc/${pid}/io`);
  return {
    writeBytes: fields.get('write_bytes') ?? 0,
    cancelledWriteBytes: fields.get('cancelled_write_bytes') ?? 0,
  };
}

function fieldsOf(path: string): Map<string, number> {
  const fields = new Map<string, number>();
  for (const line of readFileSync(path, 'latin1').split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), Number.parseInt(line.slice(colon + 1), 10));
  }
  return fields;
}
