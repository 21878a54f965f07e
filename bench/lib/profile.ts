/** Says where a server's CPU time goes: the reason that a missed goal is reported with. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadShape } from './load-job.ts';
import type { RowContext } from './row.ts';
import { Server, type Durability } from './server.ts';

/** The parts of V8's `.cpuprofile` format that are read. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** µs before each sample. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
}

const PROFILE_MS = 4_000;
const TOP_FUNCTIONS = 12;
/** Not the server's work. */
const NO_WORK = new Set(['(idle)', '(root)']);

export interface ProfiledLoad {
  readonly durability: Durability;
  readonly shape: LoadShape;
  /** Before the load: tasks and the like. */
  readonly prepare?: (server: Server, bucket: string) => Promise<void>;
}

/**
 * Runs the load once more, against a server of its own under V8's sampling profiler, and returns the functions of the
 * main thread with the largest self time, as shares of its busy time. Native code called from a function counts as
 * that function.
 */
export async function profileServer(context: RowContext, load: ProfiledLoad): Promise<string[]> {
  const { scope, driver, progress } = context;
  progress('profiling, because a goal was missed');
  const folder = scope.folder();
  const nodeFlags = ['--cpu-prof', `--cpu-prof-dir=${folder}`];
  const server = await Server.withBucket(scope, 'bench', {
    durability: load.durability,
    nodeFlags,
  });
  await load.prepare?.(server, 'bench');
  await driver.run({
    generator: 'sockets',
    target: server.target('bench'),
    shape: load.shape,
    warmupMs: 0,
    measureMs: PROFILE_MS,
    watchedPids: [],
  });
  await server.stop();
  const profile = largestProfile(folder);
  if (profile === undefined) return ['no profile was written'];
  return ['profile of the main thread, self time:', ...topFunctions(profile)];
}

/** Every thread writes one; the main thread has the busiest. */
function largestProfile(folder: string): CpuProfile | undefined {
  let best: CpuProfile | undefined;
  for (const name of readdirSync(folder)) {
    const profile = JSON.parse(readFileSync(join(folder, name), 'utf8')) as CpuProfile;
    if (best === undefined || busyUs(profile) > busyUs(best)) best = profile;
  }
  return best;
}

function busyUs(profile: CpuProfile): number {
  let sum = 0;
  for (const [name, us] of selfTimes(profile)) if (!NO_WORK.has(name)) sum += us;
  return sum;
}

function topFunctions(profile: CpuProfile): string[] {
  const totalUs = busyUs(profile);
  return [...selfTimes(profile)]
    .filter(([name]) => !NO_WORK.has(name))
    .toSorted((a, b) => b[1] - a[1])
    .slice(0, TOP_FUNCTIONS)
    .map(([name, us]) => `${((100 * us) / totalUs).toFixed(1).padStart(5)} %  ${name}`);
}

/** µs by function name and file. */
function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): Map<string, number> {
  const names = new Map(nodes.map((node) => [node.id, nameOf(node)]));
  const times = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? '(unknown)';
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  }
  return times;
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  const file = url.split('/').slice(-2).join('/');
  return `${name} (${file}:${lineNumber + 1})`;
}
