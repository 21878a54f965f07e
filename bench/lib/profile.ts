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
/** Threads that are less busy than the busiest by more than this factor are left out. */
const LEAST_BUSY = 0.2;
/** Not the server's work. */
const NO_WORK = new Set(['(idle)', '(root)']);
/** `CPU.<date>.<time>.<pid>.<thread>.<number>.cpuprofile`; the main thread is number 0. */
const FILE_NAME = /^CPU\.\d+\.\d+\.\d+\.(\d+)\./;

export interface ProfiledLoad {
  readonly durability: Durability;
  readonly shape: LoadShape;
  /** Before the load: tasks and the like. */
  readonly prepare?: (server: Server, bucket: string) => Promise<void>;
}

/** Runs the load once more, against a server of its own under the profiler, and reports as `ProfiledServer` does. */
export async function profileServer(context: RowContext, load: ProfiledLoad): Promise<string[]> {
  const { driver } = context;
  const profiled = await ProfiledServer.start(context, load.durability);
  const { server } = profiled;
  await server.admin.createBucket('bench');
  await load.prepare?.(server, 'bench');
  await driver.run({
    generator: 'sockets',
    target: server.target('bench'),
    shape: load.shape,
    warmupMs: 0,
    measureMs: PROFILE_MS,
    watchedPids: [],
  });
  return profiled.report();
}

/** A server under V8's sampling profiler. */
export class ProfiledServer {
  readonly server: Server;
  readonly #folder: string;

  private constructor(server: Server, folder: string) {
    this.server = server;
    this.#folder = folder;
  }

  static async start(
    { scope, progress }: RowContext,
    durability: Durability,
  ): Promise<ProfiledServer> {
    progress('profiling, because a goal was missed');
    const folder = scope.folder();
    const nodeFlags = ['--cpu-prof', `--cpu-prof-dir=${folder}`];
    return new ProfiledServer(await Server.start(scope, { durability, nodeFlags }), folder);
  }

  /**
   * Stops the server and returns the functions with the largest self time of its busy threads, as shares of the thread's
   * busy time. Native code called from a function counts as that function, also while it waits for a CPU.
   */
  async report(): Promise<string[]> {
    await this.server.stop();
    const threads = readdirSync(this.#folder).map((name) => readThread(this.#folder, name));
    threads.sort((a, b) => b.busyUs - a.busyUs);
    const mostUs = threads[0]?.busyUs ?? 0;
    const lines = threads
      .filter(({ busyUs }) => busyUs >= LEAST_BUSY * mostUs)
      .flatMap(({ name, busyUs, profile }) => [
        `profile of ${name}, busy for ${(busyUs / 1e6).toFixed(1)} s since its start, self time:`,
        ...topFunctions(profile, busyUs),
      ]);
    return lines.length === 0 ? ['no profile was written'] : lines;
  }
}

interface ProfiledThread {
  readonly name: string;
  readonly busyUs: number;
  readonly profile: CpuProfile;
}

function readThread(folder: string, fileName: string): ProfiledThread {
  const profile = JSON.parse(readFileSync(join(folder, fileName), 'utf8')) as CpuProfile;
  const thread = FILE_NAME.exec(fileName)?.[1];
  const name = thread === '0' ? 'the main thread' : `worker thread ${thread ?? fileName}`;
  return { name, busyUs: busyTimeUs(profile), profile };
}

function busyTimeUs(profile: CpuProfile): number {
  let sum = 0;
  for (const [name, us] of selfTimes(profile)) if (!NO_WORK.has(name)) sum += us;
  return sum;
}

function topFunctions(profile: CpuProfile, totalUs: number): string[] {
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
