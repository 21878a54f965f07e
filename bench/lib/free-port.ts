import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below the ports that systems give to connections by themselves (from 32768 on Linux, 49152 on macOS): those could be
// taken by any connection of anybody while a server that is to come back on its port is down.
const FIRST_PORT = 10_000;
const END_PORT = 32_000;
const ATTEMPTS = 100;

/** A TCP port on loopback that nobody listens on, and that the system gives to nobody. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(FIRST_PORT, END_PORT);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port among ${ATTEMPTS} of ${FIRST_PORT} to ${END_PORT}`);
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen(port, '127.0.0.1');
    await once(probe, 'listening');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return false;
    throw error;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}
