/** Small steps with files. */

export function isMissingFile(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

/** Errors after which no other file can be written either. */
export function isDiskError(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'].includes(codeOf(error));
}

/** `ENOSPC: no space left on device, write` as one line. */
export function fileErrorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether a process of this machine is there. */
export function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    // Somebody else's process runs, too.
    return codeOf(error) === 'EPERM';
  }
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : '';
}
