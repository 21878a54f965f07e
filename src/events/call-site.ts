/** Where in the program a line of the log was written. */

export interface CallSite {
  /** Below the folder of the program; empty when it is unknown. */
  readonly file: string;
  /** 0 when it is unknown. */
  readonly line: number;
}

const UNKNOWN: CallSite = { file: '', line: 0 };

/** Frames of these folders are on the way from the caller to here. */
const OWN_FRAMES = /\/src\/(logging|events)\//;
const FRAME = /\(?(?:file:\/\/)?(\/[^()]+|[A-Za-z]:[^()]+):(\d+):\d+\)?$/;
const PROGRAM_FOLDERS = /.*\/((?:src|workers|test|node_modules)\/.*)$/;

/** Of the nearest caller outside of logging. Some µs: for lines that matter only. */
export function callSite(): CallSite {
  const stack = new Error('where').stack?.split('\n') ?? [];
  for (const frame of stack.slice(1)) {
    const [, path, line] = FRAME.exec(frame) ?? [];
    if (path === undefined || OWN_FRAMES.test(path)) continue;
    const [, file] = PROGRAM_FOLDERS.exec(path) ?? [];
    return file === undefined ? UNKNOWN : { file, line: Number(line) };
  }
  return UNKNOWN;
}
