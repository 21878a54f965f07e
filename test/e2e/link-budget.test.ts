/** Link budgets against a real sink, with every byte of the connection counted. */
import { createServer, connect, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../lib/engine-fixture.ts';
import { FakeTarget } from '../lib/fake-target.ts';
import { withInstance } from '../lib/instance.ts';
import type { RunningInstance } from '../lib/instance.ts';

const RECORD_BYTES = 1000;

/** Passes everything on to a port and counts it, in both directions. */
class CountingLink {
  bytes = 0;
  onBytes: (total: number) => void = () => undefined;
  readonly #server: Server;
  readonly #sockets: Set<Socket> = new Set();

  constructor(targetPort: number) {
    this.#server = createServer((near) => {
      const far = connect(targetPort, '127.0.0.1');
      this.#join(near, far);
      this.#join(far, near);
    });
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on('data', (piece) => {
      this.bytes += piece.length;
      this.onBytes(this.bytes);
      to.write(piece);
    });
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on('error', () => to.destroy());
  }

  async open(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return `http://127.0.0.1:${address.port}`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

let target: FakeTarget;
let link: CountingLink;
let url: string;

beforeEach(async () => {
  target = new FakeTarget();
  await target.start();
  link = new CountingLink(target.port);
  url = await link.open();
});

afterEach(async () => {
  link.close();
  await target.stop();
});

function settings(changes: object): string {
  return JSON.stringify({ src_bucket: 'src', dst_bucket: 'dst', dst_host: url, ...changes });
}

async function startTask({ api }: RunningInstance, changes: object): Promise<void> {
  await api.ok('POST', '/b/src', {}, '{}');
  await api.ok('POST', '/replications/t', {}, settings(changes));
}

async function write({ api }: RunningInstance, from: number, count: number): Promise<void> {
  for (let ts = from; ts < from + count; ts++) {
    const record = { ts: BigInt(ts), payload: Buffer.alloc(RECORD_BYTES, ts), labels: {} };
    expect((await api.write('src', 'e', record)).status).toBe(200);
  }
}

async function detail({ api }: RunningInstance) {
  return JSON.parse((await api.ok('GET', '/replications/t?ext=1')).text);
}

function stored(): number {
  return target.recordsOf('dst/e').length;
}

// A zone in which it is about noon: no day ends within a test.
const HOURS_PAST_NOON = new Date().getUTCHours() - 12;
const ZONE = `Etc/GMT${HOURS_PAST_NOON < 0 ? '-' : '+'}${Math.abs(HOURS_PAST_NOON)}`;

/** The bytes of one batch on the wire, generously. */
const BATCH_BYTES = 85 * (RECORD_BYTES + 100) + 2000;

describe('a link budget', () => {
  test('of bytes per second is never exceeded by more than one batch, over any stretch of time', async () => {
    await withInstance(async (instance) => {
      const bytesPerSecond = 60_000;
      await startTask(instance, { mode: 'disabled' });
      const seen: { readonly atMs: number; readonly bytes: number }[] = [];
      link.onBytes = (bytes) => seen.push({ atMs: performance.now(), bytes });
      await instance.api.ok(
        'PUT',
        '/replications/t',
        {},
        settings({ mode: 'paused', budget: { bytes_per_second: bytesPerSecond } }),
      );
      await write(instance, 1, 300);
      await instance.api.ok('PATCH', '/replications/t/mode', {}, '{"mode":"enabled"}');
      await until(() => stored() === 300);
      expect(link.bytes).toBeGreaterThan(300 * RECORD_BYTES);
      // What arrives late can only make a stretch look denser at its end, by what was in flight: one batch.
      for (const [index, { atMs, bytes }] of seen.entries()) {
        for (const later of seen.slice(index + 1)) {
          const allowed = ((later.atMs - atMs) / 1000) * bytesPerSecond + 2 * BATCH_BYTES;
          expect(later.bytes - bytes).toBeLessThanOrEqual(allowed);
        }
      }
    });
  });

  test('of bytes per day ends sending with the batch that uses it up, counts what the link carries, and outlives a restart', async () => {
    await withInstance(async (instance) => {
      const bytesPerDay = 150_000;
      await startTask(instance, {
        budget: { bytes_per_day: bytesPerDay, time_zone: ZONE },
      });
      await write(instance, 1, 300);
      await until(async () => (await detail(instance)).extended.budget.state === 'day');
      const { extended, info, settings: shown } = await detail(instance);
      expect(link.bytes).toBeGreaterThan(bytesPerDay * 0.95);
      expect(link.bytes).toBeLessThanOrEqual(bytesPerDay + BATCH_BYTES);
      expect(Math.abs(extended.budget.used_bytes_today - link.bytes)).toBeLessThan(
        link.bytes * 0.03,
      );
      expect(extended.budget).toMatchObject({
        left_bytes_today: 0,
        day: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
      });
      expect(extended.budget.text).toMatch(/^the bytes of the day are used until \d{4}-/);
      expect(info).toMatchObject({ is_active: true, pending_records: 300 - stored() });
      expect(shown.budget).toEqual({ bytes_per_day: bytesPerDay, time_zone: ZONE });
      const before = link.bytes;
      const again = await instance.restart();
      try {
        await write(again, 301, 5);
        expect((await detail(again)).extended.budget).toMatchObject({ state: 'day' });
        expect(link.bytes).toBe(before);
        // A larger budget counts at once.
        const larger = { budget: { bytes_per_day: 10_000_000, time_zone: ZONE } };
        await again.api.ok('PUT', '/replications/t', {}, settings(larger));
        await until(() => stored() === 305);
        const { used_bytes_today: used } = (await detail(again)).extended.budget;
        expect(used).toBeGreaterThan(before * 0.95);
        expect(new Set(target.recordsOf('dst/e').map(({ ts }) => ts)).size).toBe(305);
      } finally {
        await again.stop();
      }
    });
  });

  test('of windows sends nothing outside of them, not even to ask, and goes on when it is cleared', async () => {
    await withInstance(async (instance) => {
      // Opens in about twelve hours.
      const hour = (new Date().getUTCHours() + 12) % 24;
      const two = (value: number): string => String(value).padStart(2, '0');
      const window = { from: `${two(hour)}:00`, to: `${two(hour)}:30` };
      await startTask(instance, { budget: { windows: [window] } });
      await write(instance, 1, 3);
      const { extended, info } = await detail(instance);
      expect(extended.budget).toMatchObject({
        state: 'window',
        used_bytes_today: 0,
        left_bytes_today: null,
      });
      expect(extended.budget.text).toBe(`waiting for window until ${extended.budget.changes_at}`);
      expect(info.pending_records).toBe(3);
      await instance.api.ok('PATCH', '/replications/t/mode', {}, '{"mode":"paused"}');
      await instance.api.ok('PATCH', '/replications/t/mode', {}, '{"mode":"enabled"}');
      // Kept by those who do not know it.
      await instance.api.ok('PUT', '/replications/t', {}, settings({}));
      expect((await detail(instance)).settings.budget.windows).toHaveLength(1);
      expect(link.bytes).toBe(0);
      await instance.api.ok('PUT', '/replications/t', {}, settings({ budget: null }));
      expect((await detail(instance)).settings).not.toHaveProperty('budget');
      expect((await detail(instance)).extended).not.toHaveProperty('budget');
      await until(() => stored() === 3);
    });
  });

  test('counts what is sent in vain, too', async () => {
    await withInstance(async (instance) => {
      target.faultOf = () => ({ kind: 'status', status: 503, text: 'later' });
      await startTask(instance, { budget: { bytes_per_day: 30_000, time_zone: ZONE } });
      await write(instance, 1, 20);
      await until(async () => (await detail(instance)).extended.budget.state === 'day');
      expect(stored()).toBe(0);
      const { used_bytes_today: used } = (await detail(instance)).extended.budget;
      expect(Math.abs(used - link.bytes)).toBeLessThan(link.bytes * 0.03);
      expect(link.bytes).toBeLessThanOrEqual(30_000 + BATCH_BYTES);
    });
  });

  test('that is not understood is refused, and changes nothing', async () => {
    await withInstance(async (instance) => {
      await startTask(instance, {});
      const wrong = settings({ budget: { bytes_per_day: 1, time_zone: 'Mars/Olympus' } });
      const answer = await instance.api.call('PUT', '/replications/t', {}, wrong);
      expect([answer.status, answer.error]).toEqual([
        422,
        'Invalid budget: time_zone accepts the name of a time zone, as in Europe/Berlin',
      ]);
      expect((await detail(instance)).settings).not.toHaveProperty('budget');
    });
  });
});
