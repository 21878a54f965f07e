/**
 * A record that is larger than any memory for it, in and out of a real process, and the memory that this takes.
 * `LARGE_RECORD_BYTES` (536870912 unless set; 3221225472 for 3 GiB).
 */
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Api } from '../lib/api.ts';
import { connectRaw, requestHead } from '../lib/raw-http.ts';
import { freePort, ServerProcess } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';
import { residentBytes } from './fuzz/process-figures.ts';
import { Random } from './fuzz/random.ts';

const BYTES = Number(process.env['LARGE_RECORD_BYTES'] ?? 512 * 1024 * 1024);
const TOKEN = 'large-admin';
const MIB = 1024 * 1024;
const BLOCK_BYTES = 4 * MIB;
/** Tables that are not flushed yet, caches, compactions and heap: 256 MB with a record of 3 GiB, measured. */
const GROWTH_BYTES = 512 * MIB;
const PATH = '/api/v1/b/large/record?ts=1';
const SAMPLE_MS = 250;

/** Pseudo-random content of which no two blocks are equal. */
class Content {
  readonly #block: Buffer;

  constructor() {
    const random = new Random(1);
    this.#block = Buffer.alloc(BLOCK_BYTES);
    for (let at = 0; at < BLOCK_BYTES; at += 4)
      this.#block.writeUInt32LE(random.below(2 ** 32), at);
  }

  /** @returns bytes that are valid until the next call. */
  at(offset: number): Buffer {
    this.#block.writeUInt32LE(offset / BLOCK_BYTES, 0);
    return this.#block.subarray(0, Math.min(BLOCK_BYTES, BYTES - offset));
  }
}

/** Samples the resident memory of a process until it is stopped. */
class PeakMemory {
  peakBytes = 0;
  readonly #ended: Promise<void>;
  #isOver = false;

  constructor(pid: number) {
    this.#ended = this.#run(pid);
  }

  async stop(): Promise<number> {
    this.#isOver = true;
    await this.#ended;
    return this.peakBytes;
  }

  async #run(pid: number): Promise<void> {
    while (!this.#isOver) {
      this.peakBytes = Math.max(this.peakBytes, await residentBytes(pid));
      await sleep(SAMPLE_MS);
    }
  }
}

async function write(port: number, hash: Hash): Promise<number> {
  const connection = await connectRaw(port);
  const content = new Content();
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-length': BYTES };
  await connection.send(requestHead({ method: 'POST', path: PATH, headers }));
  for (let offset = 0; offset < BYTES; offset += BLOCK_BYTES) {
    const bytes = content.at(offset);
    hash.update(bytes);
    await connection.send(bytes);
  }
  const { status } = await connection.response();
  connection.destroy();
  return status;
}

/** @returns the number of bytes of content. */
async function read(port: number, hash: Hash): Promise<number> {
  const { socket } = await connectRaw(port);
  socket.removeAllListeners('data');
  const headers = { authorization: `Bearer ${TOKEN}` };
  socket.write(requestHead({ method: 'GET', path: PATH, headers }));
  let head = '';
  let received = -1;
  socket.on('data', (data: Buffer) => {
    let bytes = data;
    if (received === -1) {
      head += data.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) return;
      bytes = Buffer.from(head.slice(end + 4), 'latin1');
      received = 0;
    }
    hash.update(bytes);
    received += bytes.length;
    if (received === BYTES) socket.destroy();
  });
  await once(socket, 'close');
  expect(head).toMatch(/^HTTP\/1\.1 200 /);
  return received;
}

test(
  `a record of ${BYTES} bytes goes in and comes out as it was, with bounded memory`,
  { timeout: 600_000 },
  async ({ annotate }) => {
    await withTempDir(async (path) => {
      const port = await freePort();
      const env = { MILLRACE_DURABILITY: 'os', RS_SYSTEM_EVENTS_ENABLED: 'false' };
      const server = new ServerProcess({ dataPath: join(path, 'data'), port, token: TOKEN, env });
      await server.start();
      try {
        const api = new Api(server.url, TOKEN);
        await api.ok('POST', '/b/large');
        const before = await residentBytes(server.pid);
        const sent = createHash('sha256');
        const whileWriting = new PeakMemory(server.pid);
        expect(await write(port, sent), server.output).toBe(200);
        const writePeak = await whileWriting.stop();
        const got = createHash('sha256');
        const whileReading = new PeakMemory(server.pid);
        expect(await read(port, got), server.output).toBe(BYTES);
        const readPeak = await whileReading.stop();
        expect(got.digest('hex')).toBe(sent.digest('hex'));
        const growth = { write: writePeak - before, read: readPeak - before };
        await annotate(`resident memory grew by at most ${JSON.stringify(growth)} bytes`);
        expect(growth.write).toBeLessThan(GROWTH_BYTES);
        expect(growth.read).toBeLessThan(GROWTH_BYTES);
      } finally {
        await server.kill();
      }
    });
  },
);
