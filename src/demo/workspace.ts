import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BugError, StorageFullError } from '../errors/errors.ts';
import { Instance } from './instance.ts';

export interface WorkspaceOptions {
  readonly serverPath: string;
  /** Free space that the run needs. */
  readonly neededBytes: number;
  readonly onUnexpectedExit: (error: Error) => void;
}

/** The demo's temporary folder and its two processes: everything that must be gone at the end. */
export class Workspace {
  readonly folder: string;
  readonly edge: Instance;
  readonly cloud: Instance;
  readonly #onExit = (): void => {
    this.#disposeNow();
  };

  private constructor(options: WorkspaceOptions, edgePort: number, cloudPort: number) {
    this.folder = mkdtempSync(join(tmpdir(), 'millrace-demo-'));
    const create = (name: string, port: number): Instance =>
      new Instance({
        name,
        port,
        serverPath: options.serverPath,
        parentFolder: this.folder,
        token: randomBytes(16).toString('hex'),
        onUnexpectedExit: options.onUnexpectedExit,
      });
    this.edge = create('edge', edgePort);
    this.cloud = create('cloud', cloudPort);
    // Covers every way out, also an exception that nobody caught.
    process.once('exit', this.#onExit);
  }

  /**
   * Creates the folder and picks the ports; starts nothing.
   *
   * @throws StorageFullError when the temporary file system has too little room
   */
  static async create(options: WorkspaceOptions): Promise<Workspace> {
    const { bavail, bsize } = statfsSync(tmpdir());
    if (bavail * bsize < options.neededBytes) {
      throw new StorageFullError(
        `${tmpdir()} has ${Math.floor((bavail * bsize) / 1e6)} MB free, the demo needs about ${Math.ceil(options.neededBytes / 1e6)} MB`,
        { hint: 'Point TMPDIR to a file system with more room, or use --seconds and --rate.' },
      );
    }
    const [edgePort, cloudPort] = await freePorts();
    return new Workspace(options, edgePort, cloudPort);
  }

  /** Ends both processes in order and removes the folder. Returns the names of those that had to be killed. */
  async dispose(): Promise<string[]> {
    const instances = [this.edge, this.cloud];
    const inOrder = await Promise.all(instances.map((instance) => instance.stop()));
    await Promise.all(instances.map((instance) => instance.client.close()));
    process.off('exit', this.#onExit);
    this.#removeFolder();
    return instances.filter((_, index) => inOrder[index] === false).map(({ name }) => name);
  }

  /** Leaves processes and folder to the user. */
  async release(): Promise<void> {
    process.off('exit', this.#onExit);
    for (const instance of [this.edge, this.cloud]) {
      instance.release();
      await instance.client.close();
    }
  }

  #disposeNow(): void {
    this.edge.killNow();
    this.cloud.killNow();
    this.#removeFolder();
  }

  /** A process that was just killed may still be creating a file: the removal tries again for a while. */
  #removeFolder(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

/** Two free ports on loopback; both are held until both are known, so that they differ. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ports.push(portOf(server.address()));
  }
  for (const server of servers) {
    server.close();
    await once(server, 'close');
  }
  const [edgePort = 0, cloudPort = 0] = ports;
  return [edgePort, cloudPort];
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new BugError(`address ${address}`);
  return address.port;
}
