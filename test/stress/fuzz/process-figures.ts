/** What a process holds, from the files of the kernel. */
import { readdir, readFile, readlink } from 'node:fs/promises';

export interface Descriptors {
  readonly sockets: number;
  /** Files of the store; their number follows its size. */
  readonly files: number;
  /** Pipes, event descriptors and the like. */
  readonly others: number;
}

export async function openDescriptors(pid: number): Promise<Descriptors> {
  const folder = `/proc/${pid}/fd`;
  const counts = { sockets: 0, files: 0, others: 0 };
  for (const name of await readdir(folder)) {
    // One that was closed meanwhile.
    const target = await readlink(`${folder}/${name}`).catch(() => undefined);
    if (target === undefined) continue;
    if (target.startsWith('socket:')) counts.sockets++;
    else if (target.startsWith('/') && !target.startsWith('/dev/')) counts.files++;
    else counts.others++;
  }
  return counts;
}

/** Resident memory now. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
  if (kilobytes === undefined) throw new Error(`no memory figures of process ${pid}`);
  return Number(kilobytes) * 1024;
}
