/**
 * Metrics that are read when Prometheus asks: the parts of the instance keep plain numbers, so that nothing on a hot path
 * knows this library.
 */
import { Counter, Gauge, Histogram } from 'prom-client';
import type { MetricValueWithName, Registry } from 'prom-client';

/** One sample: label values by name, and the number. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A distribution as the parts keep it: counts per bucket (not cumulative), one more than bounds for the rest. */
export interface DistributionSample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly bounds: readonly number[];
  readonly counts: ArrayLike<number>;
  readonly sum: number;
}

export interface MetricSpec {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
}

/** Registers a counter whose samples are read at collection. They must never decrease while the process lives. */
export function addCounter(
  registry: Registry,
  spec: MetricSpec,
  read: () => readonly Sample[],
): void {
  const counter = new Counter({
    name: spec.name,
    help: spec.help,
    labelNames: [...(spec.labelNames ?? [])],
    registers: [registry],
    collect: () => {
      counter.reset();
      for (const { labels, value } of read()) counter.inc({ ...labels }, value);
    },
  });
}

/** Registers a gauge whose samples are read at collection. */
export function addGauge(
  registry: Registry,
  spec: MetricSpec,
  read: () => readonly Sample[],
): void {
  const gauge = new Gauge({
    name: spec.name,
    help: spec.help,
    labelNames: [...(spec.labelNames ?? [])],
    registers: [registry],
    collect: () => {
      gauge.reset();
      for (const { labels, value } of read()) gauge.set({ ...labels }, value);
    },
  });
}

/** Registers a histogram whose counts are kept elsewhere. */
export function addDistribution(
  registry: Registry,
  spec: MetricSpec,
  read: () => readonly DistributionSample[],
): void {
  registry.registerMetric(new ReadHistogram(spec, read));
}

/** What the registry works with; the library's declarations give the type a number it never has. */
interface HistogramExport {
  readonly name: string;
  readonly help: string;
  readonly type: 'histogram';
  readonly aggregator: 'sum';
  readonly values: readonly MetricValueWithName<string>[];
}

class ReadHistogram extends Histogram {
  readonly #spec: MetricSpec;
  readonly #read: () => readonly DistributionSample[];

  constructor(spec: MetricSpec, read: () => readonly DistributionSample[]) {
    super({
      name: spec.name,
      help: spec.help,
      labelNames: [...(spec.labelNames ?? [])],
      registers: [],
    });
    this.#spec = spec;
    this.#read = read;
  }

  /** What the library calls for every format; it is not in its declarations. */
  async getForPromString(): Promise<HistogramExport> {
    const { name, help } = this.#spec;
    return { name, help, type: 'histogram', aggregator: 'sum', values: this.#values() };
  }

  #values(): MetricValueWithName<string>[] {
    return this.#read().flatMap((sample) => histogramValues(this.#spec.name, sample));
  }
}

/** The lines of one histogram: cumulative buckets, sum and count. */
function histogramValues(
  name: string,
  { labels, bounds, counts, sum }: DistributionSample,
): MetricValueWithName<string>[] {
  const values: MetricValueWithName<string>[] = [];
  let total = 0;
  for (let i = 0; i <= bounds.length; i++) {
    total += counts[i] ?? 0;
    const le = bounds[i] ?? '+Inf';
    values.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: total });
  }
  values.push({ metricName: `${name}_sum`, labels: { ...labels }, value: sum });
  values.push({ metricName: `${name}_count`, labels: { ...labels }, value: total });
  return values;
}
