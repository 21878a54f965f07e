/** A file system of a few hundred MB in a mount namespace of its own, which any user may make. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ServerProcess, serverCommand } from '../../lib/server-process.ts';

const MEBIBYTE = 1024 * 1024;

export class SmallDisk {
  readonly #holder: ChildProcess;
  readonly #path: string;

  private constructor(holder: ChildProcess, path: string) {
    this.#holder = holder;
    this.#path = path;
  }

  /**
   * Mounts it at `path` and keeps it until `remove`. Servers that are killed find their files again.
   * @throws Error when the system does not allow it; it needs `unshare` and `nsenter` (util-linux).
   */
  static async make(path: string, mebibytes: number): Promise<SmallDisk> {
    await mkdir(path, { recursive: true });
    const script = `mount -t tmpfs -o size=${mebibytes}m tmpfs '${path}' && echo mounted && exec sleep infinity`;
    const flags = ['--user', '--map-root-user', '--mount'];
    const holder = spawn('unshare', [...flags, 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let printed = '';
    holder.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    const mounted = once(holder.stdout, 'data').then(() => true);
    const ended = once(holder, 'exit').then(() => false);
    if (!(await Promise.race([mounted, ended]))) {
      throw new Error(`A small file system cannot be made here: ${printed}`);
    }
    return new SmallDisk(holder, path);
  }

  /** A server whose data lies on it. */
  server(port: number, token: string, env: Readonly<Record<string, string>> = {}): ServerProcess {
    const enter = ['nsenter', '--target', `${this.#pid}`, '--user', '--mount'] as const;
    return new ServerProcess({
      dataPath: join(this.#path, 'data'),
      port,
      token,
      env,
      command: [...enter, '--preserve-credentials', ...serverCommand()],
    });
  }

  /** Takes up space that has nothing to do with the server. */
  async fill(mebibytes: number): Promise<void> {
    const chunk = Buffer.alloc(MEBIBYTE, 1);
    for (let i = 0; i < mebibytes; i++) {
      await writeFile(this.#ballast, chunk, { flag: 'a' });
    }
  }

  /** Takes up all that is left. */
  async fillUp(): Promise<void> {
    const chunk = Buffer.alloc(64 * 1024, 1);
    try {
      for (;;) await writeFile(this.#ballast, chunk, { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }

  /** Gives back what `fill` and `fillUp` took. */
  async free(): Promise<void> {
    await truncate(this.#ballast, 0);
    await rm(this.#ballast);
  }

  /** Everything on it is gone afterwards. */
  async remove(): Promise<void> {
    const ended = once(this.#holder, 'exit');
    this.#holder.kill('SIGKILL');
    await ended;
  }

  /** The mount as this process sees it: through the root folder of one that is inside. */
  get #ballast(): string {
    return join(`/proc/${this.#pid}/root`, this.#path, 'ballast');
  }

  get #pid(): number {
    const { pid } = this.#holder;
    if (pid === undefined) throw new Error('the holder of the mount is not running');
    return pid;
  }
}
