/** Interleaved rounds of load on several arms (servers), the core of every ingest row. */
import type { Generator, LoadResult, LoadShape, LoadTarget } from './load-job.ts';
import type { RowContext } from './row.ts';
import { ratioSpread, spreadOf, type Spread } from './stats.ts';
import { settle } from './wait.ts';

/** One side of a comparison. */
export interface Arm {
  readonly name: string;
  readonly target: LoadTarget;
  /** The process whose CPU time is the arm's. */
  readonly pid: number;
  readonly shape: LoadShape;
  /** Further processes that must be idle before the next arm has its turn. */
  readonly settlePids?: readonly number[];
  /** After the arm's window, before the next arm: drain, note a backlog. */
  readonly afterWindow?: () => Promise<void>;
}

/** The results of one arm, one a round. */
export class ArmResults {
  readonly name: string;
  readonly loads: LoadResult[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get throughput(): number[] {
    return this.loads.map((load) => load.recordsPerSecond);
  }

  /** Of the arm's process, µs per record. */
  get cpuUsPerRecord(): number[] {
    return this.loads.map((load) => (load.watchedCpuUs[0] ?? Number.NaN) / load.records);
  }

  /** µs per record. */
  get generatorCpuUsPerRecord(): number[] {
    return this.loads.map((load) => load.generatorCpuUs / load.records);
  }

  /** Share of one core, 1 is all of it. */
  get cpuShare(): number[] {
    return this.loads.map((load) => (load.watchedCpuUs[0] ?? Number.NaN) / (1000 * load.elapsedMs));
  }

  get generatorShare(): number[] {
    return this.loads.map((load) => load.generatorCpuUs / (1000 * load.elapsedMs));
  }
}

/**
 * Runs every arm once per round, in order (A B A B …), each with its own warm-up, after all processes became idle.
 * @throws Error when a request is refused
 */
export async function ingestRounds(
  context: RowContext,
  generator: Generator,
  arms: readonly Arm[],
): Promise<ArmResults[]> {
  const { settings, driver, progress } = context;
  const results = arms.map((arm) => new ArmResults(arm.name));
  const everyone = arms.flatMap((arm) => [arm.pid, ...(arm.settlePids ?? [])]);
  for (let round = 0; round < settings.rounds; round++) {
    for (const [index, arm] of arms.entries()) {
      await settle(everyone);
      progress(`${generator}, round ${round + 1} of ${settings.rounds}, ${arm.name}`);
      const load = await driver.run({
        generator,
        target: arm.target,
        shape: arm.shape,
        warmupMs: settings.warmupMs,
        measureMs: settings.measureMs,
        watchedPids: [arm.pid],
      });
      results[index]?.loads.push(load);
      await arm.afterWindow?.();
    }
  }
  return results;
}

/** Throughput of `candidate` against `reference`, round by round. */
export function throughputRatio(candidate: ArmResults, reference: ArmResults): Spread {
  return ratioSpread(candidate.throughput, reference.throughput);
}

/** CPU per record of `candidate` against `reference`, round by round. */
export function cpuRatio(candidate: ArmResults, reference: ArmResults): Spread {
  return ratioSpread(candidate.cpuUsPerRecord, reference.cpuUsPerRecord);
}

/** One sentence with the absolutes of an arm. */
export function describeArm(arm: ArmResults): string {
  const median = (values: readonly number[]): number => spreadOf(values).median;
  const latency = (pick: (load: LoadResult) => number): string =>
    (median(arm.loads.map(pick)) / 1000).toFixed(1);
  return (
    `${arm.name}: ${Math.round(median(arm.throughput))} records/s, ` +
    `server ${median(arm.cpuUsPerRecord).toFixed(1)} µs/record (${percent(median(arm.cpuShare))} of a core), ` +
    `generator ${median(arm.generatorCpuUsPerRecord).toFixed(1)} µs/record (${percent(median(arm.generatorShare))}), ` +
    `latency p50 ${latency((load) => load.latencyUs.p50)} p99 ${latency((load) => load.latencyUs.p99)} ` +
    `p99.9 ${latency((load) => load.latencyUs.p999)} max ${latency((load) => load.latencyUs.max)} ms`
  );
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
