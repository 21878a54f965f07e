/** How far a long command is: a bar on a terminal, a plain line now and then elsewhere. Both on stderr. */
import type { SingleBar } from 'cli-progress';
import { formatSize } from '../sizes.ts';
import type { Output } from './output.ts';

/** What is done so far. */
export interface Progress {
  readonly records: number;
  readonly bytes: number;
  /** As far as it is known; may grow. */
  readonly totalRecords: number;
}

export interface ProgressReporter {
  /** As often as there is news: what is shown is limited in rate. */
  update(progress: Progress): void;
  /** The bar is left standing as it is. Nothing may be reported afterwards. */
  stop(): void;
}

export interface ProgressOptions {
  /** Shows nothing at all. */
  readonly quiet: boolean;
  readonly nowMs: () => number;
}

/** Between two plain lines. */
const LINE_INTERVAL_MS = 10_000;
const BAR_FORMAT =
  '{bar} {percentage}% | {value}/{total} records | {size} | {recordRate} records/s | {byteRate}/s | {left}';

const SILENT: ProgressReporter = { update: () => undefined, stop: () => undefined };

export async function startProgress(
  output: Output,
  options: ProgressOptions,
): Promise<ProgressReporter> {
  if (options.quiet) return SILENT;
  if (!output.isErrorTerminal) return new Lines(output, options.nowMs);
  // Only terminals have need of it.
  const { Presets, SingleBar } = await import('cli-progress');
  const barOptions = { format: BAR_FORMAT, barsize: 20, hideCursor: true, gracefulExit: false };
  return new Bar(new SingleBar(barOptions, Presets.shades_classic), options.nowMs);
}

/** Rates since the start and the time that is left, as texts. */
export function progressFigures(
  { records, bytes, totalRecords }: Progress,
  elapsedMs: number,
): ProgressFigures {
  const seconds = Math.max(elapsedMs, 1) / 1000;
  const recordRate = records / seconds;
  const leftRecords = Math.max(totalRecords - records, 0);
  return {
    size: formatSize(bytes),
    recordRate: String(Math.round(recordRate)),
    byteRate: formatSize(Math.round(bytes / seconds)),
    left: recordRate > 0 ? `${Math.ceil(leftRecords / recordRate)}s left` : '?',
  };
}

export interface ProgressFigures {
  readonly size: string;
  readonly recordRate: string;
  readonly byteRate: string;
  readonly left: string;
}

class Bar implements ProgressReporter {
  readonly #bar: SingleBar;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  #isShown = false;

  constructor(bar: SingleBar, nowMs: () => number) {
    this.#bar = bar;
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
  }

  /** The bar appears with the first figures: before there is nothing to tell. */
  update(progress: Progress): void {
    if (!this.#isShown) {
      this.#isShown = true;
      this.#bar.start(0, 0, { ...progressFigures(progress, 0) });
    }
    this.#bar.setTotal(Math.max(progress.totalRecords, progress.records));
    this.#bar.update(progress.records, {
      ...progressFigures(progress, this.#nowMs() - this.#startMs),
    });
  }

  stop(): void {
    if (this.#isShown) this.#bar.stop();
  }
}

class Lines implements ProgressReporter {
  readonly #output: Output;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  #lastMs: number;

  constructor(output: Output, nowMs: () => number) {
    this.#output = output;
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
    this.#lastMs = this.#startMs;
  }

  update(progress: Progress): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#lastMs < LINE_INTERVAL_MS) return;
    this.#lastMs = nowMs;
    const { size, recordRate, byteRate, left } = progressFigures(progress, nowMs - this.#startMs);
    const { records, totalRecords } = progress;
    this.#output.note(
      `${records}/${totalRecords} records, ${size}, ${recordRate} records/s, ${byteRate}/s, ${left}`,
    );
  }

  stop(): void {
    // The command's own last line says what became of it.
  }
}
