/** Hourly diagnostics of a task: counts of attempts over the last 60 minutes (spec §6.1, §6.2). */

const FRAME_MS = 60_000;
const FRAME_COUNT = 60;

/** SDKs read the keys of `errors` as 16-bit integers (spec §1.5). */
const MIN_KEY = -32_768;
const MAX_KEY = 32_767;

/** The key of an error that has no other (spec §6.2). */
const UNKNOWN_KEY = -1;

/**
 * Bounds of one frame, so that a target which invents statuses and texts cannot fill the memory: further keys
 * are counted as unknown, longer messages are cut.
 */
const MAX_KEYS_PER_FRAME = 64;
const MAX_MESSAGE_CHARS = 512;

/** The `hourly` member of the detail answer; `JSON.stringify` gives the wire form. */
export interface HourlyDiagnosticsJson {
  /** Per hour, extrapolated during the first hour. */
  readonly ok: number;
  /** Per hour, extrapolated during the first hour. */
  readonly errored: number;
  /** Plain sums by decimal integer key, never extrapolated. */
  readonly errors: Readonly<Record<string, ErrorJson>>;
}

export interface ErrorJson {
  readonly count: number;
  readonly last_message: string;
}

/** Plain counts; a frame's, or all since the start. */
export interface Counts {
  readonly ok: number;
  readonly errored: number;
}

interface FrameError {
  count: number;
  lastMessage: string;
}

interface Frame {
  ok: number;
  errored: number;
  readonly errors: Map<number, FrameError>;
}

/**
 * Up to 60 frames of 60 s, aligned to the task's start; the newest is last. They advance on counting and on
 * reading, so that an idle task does not show old figures as its last hour.
 */
export class HourlyDiagnostics {
  readonly #nowMs: () => number;
  readonly #startedMs: number;
  /** Number of the newest frame, counted from the start. */
  #frameIndex = 0;
  #frames: Frame[] = [newFrame()];
  #total: Counts = { ok: 0, errored: 0 };

  /** @param nowMs a clock in milliseconds; a step backwards counts into the newest frame. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#startedMs = nowMs();
  }

  countOk(count: number): void {
    this.#advance().ok += count;
    this.#total = { ...this.#total, ok: this.#total.ok + count };
  }

  /**
   * @param key HTTP status, or a negative key of spec §6.2. What SDKs cannot read is counted as -1.
   * @param message one line without secrets; line breaks are replaced, more than 512 characters are cut.
   */
  countError(key: number, message: string, count: number): void {
    const frame = this.#advance();
    frame.errored += count;
    this.#total = { ...this.#total, errored: this.#total.errored + count };
    const usedKey = pickKey(frame, key);
    const known = frame.errors.get(usedKey);
    const lastMessage = message.replace(/\s+/g, ' ').slice(0, MAX_MESSAGE_CHARS);
    frame.errors.set(usedKey, { count: (known?.count ?? 0) + count, lastMessage });
  }

  /** The last hour as the API shows it. */
  toJson(): HourlyDiagnosticsJson {
    this.#advance();
    const sum = this.#frames.reduce(addCounts, { ok: 0, errored: 0 });
    return {
      ok: perHour(sum.ok, this.#frames.length),
      errored: perHour(sum.errored, this.#frames.length),
      errors: this.#sumErrors(),
    };
  }

  /** Plain counts per minute, oldest first, for the extended answer. */
  perMinute(): readonly Counts[] {
    this.#advance();
    return this.#frames.map(({ ok, errored }) => ({ ok, errored }));
  }

  /** Plain counts since the start, for the extended answer. */
  total(): Counts {
    return this.#total;
  }

  /** Opens the frames that time has reached; returns the newest. */
  #advance(): Frame {
    const index = Math.floor((this.#nowMs() - this.#startedMs) / FRAME_MS);
    const missing = Math.min(index - this.#frameIndex, FRAME_COUNT);
    if (missing > 0) {
      this.#frameIndex = index;
      for (let opened = 0; opened < missing; opened += 1) this.#frames.push(newFrame());
      this.#frames = this.#frames.slice(-FRAME_COUNT);
    }
    const newest = this.#frames.at(-1) ?? newFrame();
    return newest;
  }

  #sumErrors(): Record<string, ErrorJson> {
    const sums = new Map<number, ErrorJson>();
    for (const frame of this.#frames) {
      for (const [key, { count, lastMessage }] of frame.errors) {
        const before = sums.get(key)?.count ?? 0;
        sums.set(key, { count: before + count, last_message: lastMessage });
      }
    }
    const sorted = [...sums].toSorted(([a], [b]) => a - b);
    return Object.fromEntries(sorted);
  }
}

function newFrame(): Frame {
  return { ok: 0, errored: 0, errors: new Map() };
}

function addCounts(sum: Counts, frame: Frame): Counts {
  return { ok: sum.ok + frame.ok, errored: sum.errored + frame.errored };
}

/** `sum ÷ (frames ÷ 60)`, rounded half up. In integers: a float quotient would round large sums. */
function perHour(sum: number, frames: number): number {
  const divisor = BigInt(frames);
  return Number((BigInt(sum) * BigInt(FRAME_COUNT) * 2n + divisor) / (2n * divisor));
}

function pickKey(frame: Frame, key: number): number {
  const readable = Number.isInteger(key) && key >= MIN_KEY && key <= MAX_KEY;
  const fits = frame.errors.has(key) || frame.errors.size < MAX_KEYS_PER_FRAME;
  return readable && fits ? key : UNKNOWN_KEY;
}
