import { formatCount, formatDuration, formatMegabytes } from './figures.ts';

/** One moment of the run. Rates are over the time since the sample before. */
export interface ProgressSample {
  readonly elapsedMs: number;
  readonly recordsPerS: number;
  readonly bytesPerS: number;
  /** `undefined`: the instance did not say. */
  readonly pendingRecords: number | undefined;
  readonly lagMs: number | undefined;
  /** What is going on besides, e.g. `cloud down`; empty when nothing is. */
  readonly remark: string;
}

/** The part of a terminal or pipe that progress needs. */
export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

const DEFAULT_COLUMNS = 80;
const CLEAR_TO_END = '\u001b[K';

/** A sample as one line. */
export function formatProgress(sample: ProgressSample): string {
  const { pendingRecords, lagMs } = sample;
  const columns = [
    `${(sample.elapsedMs / 1000).toFixed(0).padStart(3)} s`,
    `${formatCount(sample.recordsPerS).padStart(7)} records/s`,
    `${formatMegabytes(sample.bytesPerS).padStart(8)}/s`,
    `pending ${(pendingRecords === undefined ? '-' : formatCount(pendingRecords)).padStart(7)}`,
    `lag ${(lagMs === undefined ? '-' : formatDuration(lagMs)).padStart(7)}`,
    sample.remark,
  ];
  return columns.join('  ').trimEnd();
}

/** On a terminal one line that is rewritten; elsewhere a plain line each. Notes always stay. */
export class ProgressPrinter {
  readonly #stream: ProgressStream;
  #lineIsOpen = false;

  constructor(stream: ProgressStream) {
    this.#stream = stream;
  }

  /** Replaces the live line. */
  show(line: string): void {
    if (this.#stream.isTTY !== true) {
      this.#stream.write(`${line}\n`);
      return;
    }
    // A line as wide as the terminal would wrap and could not be rewritten. Some terminals report 0 columns.
    const { columns = 0 } = this.#stream;
    const width = (columns > 0 ? columns : DEFAULT_COLUMNS) - 1;
    this.#stream.write(`\r${line.slice(0, width)}${CLEAR_TO_END}`);
    this.#lineIsOpen = true;
  }

  /** Prints a line that stays; the live line goes. */
  note(line: string): void {
    this.#stream.write(this.#lineIsOpen ? `\r${CLEAR_TO_END}${line}\n` : `${line}\n`);
    this.#lineIsOpen = false;
  }
}
