/** Two servers of different make beside each other, for one file of tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'reduct-js';
import { afterAll, beforeAll } from 'vitest';
import { freePort, ServerProcess } from '../../lib/server-process.ts';
import { Api } from '../../lib/api.ts';
import { installReductStore } from './reductstore.ts';

export const PEER_TOKEN = 'interop-token';

export type Make = 'millrace' | 'reductstore';

/** One server with a client of each kind. */
export class Peer {
  readonly make: Make;
  readonly server: ServerProcess;
  readonly client: Client;
  readonly api: Api;

  constructor(make: Make, server: ServerProcess) {
    this.make = make;
    this.server = server;
    this.client = new Client(server.url, { apiToken: PEER_TOKEN });
    this.api = new Api(server.url, PEER_TOKEN);
  }

  get url(): string {
    return this.server.url;
  }
}

export interface Peers {
  millrace(): Peer;
  reductstore(): Peer;
}

/** Starts both before the tests of the calling file and stops them afterwards. */
export function usePeers(): Peers {
  const peers: Partial<Record<Make, Peer>> = {};
  let path = '';
  beforeAll(async () => {
    const binary = await installReductStore();
    path = await mkdtemp(join(tmpdir(), 'millrace-interop-'));
    peers.reductstore = new Peer('reductstore', await newServer(path, 'reductstore', [binary]));
    peers.millrace = new Peer('millrace', await newServer(path, 'millrace'));
    await peers.reductstore.server.start();
    await peers.millrace.server.start();
  });
  afterAll(async () => {
    try {
      await peers.reductstore?.server.kill();
      const code = await peers.millrace?.server.stop();
      const printed = peers.millrace?.server.output;
      if (code !== 0) throw new Error(`Millrace ended with ${code}:\n${printed}`);
    } finally {
      await Promise.all(Object.values(peers).map((peer) => peer.api.close()));
      await rm(path, { recursive: true, force: true });
    }
  });
  const peer = (make: Make): Peer => {
    const found = peers[make];
    if (found === undefined) throw new Error(`${make} is not started`);
    return found;
  };
  return { millrace: () => peer('millrace'), reductstore: () => peer('reductstore') };
}

async function newServer(
  path: string,
  make: Make,
  command?: readonly [string, ...string[]],
): Promise<ServerProcess> {
  return new ServerProcess({
    dataPath: join(path, make),
    port: await freePort(),
    token: PEER_TOKEN,
    env: { MILLRACE_DURABILITY: 'os', HOME: process.env['HOME'] ?? '' },
    ...(command === undefined ? {} : { command }),
  });
}
