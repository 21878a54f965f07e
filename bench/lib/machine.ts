import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import type { BenchSettings } from './row.ts';

export interface Machine {
  readonly commit: string;
  readonly node: string;
  readonly os: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** Over the last minute, before the first row: what else was running. */
  readonly load: number;
  readonly payloads: string;
}

/** @param payloads where the payloads come from, in words */
export function describeMachine(payloads: string): Machine {
  const processors = cpus();
  return {
    commit: commit(),
    node: process.version,
    os: `${process.platform} ${release()}`,
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: loadavg()[0] ?? Number.NaN,
    payloads,
  };
}

/** The first line of a run. */
export function machineLine(machine: Machine, settings: BenchSettings): string {
  const { rounds, warmupMs, measureMs, connections, entries, quick } = settings;
  return (
    `commit ${machine.commit} · Node.js ${machine.node} · ${machine.os} · ${machine.cpu}, ${machine.cores} cores, ` +
    `${machine.memoryGiB} GiB · load ${machine.load.toFixed(2)} · ${quick ? 'quick, ' : ''}${rounds} rounds of ` +
    `${measureMs / 1000} s after ${warmupMs / 1000} s warm-up, ${connections} connections, ${entries} entries`
  );
}

/** Short hash, with `+` when the tree differs from it; `unknown` outside a repository. */
function commit(): string {
  try {
    const hash = git('rev-parse', '--short', 'HEAD');
    return git('status', '--porcelain') === '' ? hash : `${hash}+`;
  } catch {
    return 'unknown';
  }
}

function git(...args: string[]): string {
  return execFileSync('git', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
}
