/** A disk that fills up, on either side of a replication task: nothing acknowledged is lost, and it goes on by itself. */
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Api, type TestRecord } from '../lib/api.ts';
import { freePort, ServerProcess } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';
import { SmallDisk } from './full-disk/small-disk.ts';

const TOKEN = 'full-disk';
const BUCKET = 'raw';
const ENTRY = 'camera';
const DISK_MEBIBYTES = 600;
const BALLAST_MEBIBYTES = 340;
const RECORD_BYTES = 256 * 1024;
const PATIENCE = { timeout: 60_000, interval: 200 };

function makeRecord(serial: number): TestRecord {
  const payload = Buffer.alloc(RECORD_BYTES, `content of ${serial} `);
  return { ts: BigInt(serial), payload, labels: { serial: String(serial) } };
}

interface Sides {
  readonly disk: SmallDisk;
  /** The one whose data lie on the small disk. */
  readonly small: ServerProcess;
  readonly other: ServerProcess;
  readonly smallApi: Api;
  readonly otherApi: Api;
}

async function withSides(
  use: (sides: Sides) => Promise<void>,
  ballastMebibytes = BALLAST_MEBIBYTES,
): Promise<void> {
  await withTempDir(async (path) => {
    const disk = await SmallDisk.make(join(path, 'small'), DISK_MEBIBYTES);
    const env = { MILLRACE_DURABILITY: 'fsync' };
    const small = disk.server(await freePort(), TOKEN, env);
    const otherPath = join(path, 'other');
    const other = new ServerProcess({
      dataPath: otherPath,
      port: await freePort(),
      token: TOKEN,
      env,
    });
    const smallApi = new Api(small.url, TOKEN);
    const otherApi = new Api(other.url, TOKEN);
    try {
      await disk.fill(ballastMebibytes);
      await Promise.all([small.start(), other.start()]);
      await use({ disk, small, other, smallApi, otherApi });
      expect(await small.stop(), small.output).toBe(0);
      expect(await other.stop(), other.output).toBe(0);
    } finally {
      await Promise.all([small.kill(), other.kill(), smallApi.close(), otherApi.close()]);
      await disk.remove();
    }
  });
}

async function startTask(api: Api, target: ServerProcess): Promise<void> {
  await api.ok('POST', `/b/${BUCKET}`);
  const settings = { src_bucket: BUCKET, dst_bucket: BUCKET, dst_host: target.url };
  const body = JSON.stringify({ ...settings, dst_token: TOKEN });
  await api.ok('POST', '/replications/copy', {}, body);
}

interface Detail {
  readonly info: { readonly is_active: boolean; readonly pending_records: number };
  readonly diagnostics: { readonly hourly: { readonly errors: Readonly<Record<string, unknown>> } };
}

async function detailOf(api: Api): Promise<Detail> {
  const { text } = await api.ok('GET', '/replications/copy');
  const detail: Detail = JSON.parse(text);
  return detail;
}

/** Writes until a write is refused. @returns its status and text, and the serial of the refused record. */
async function writeUntilRefused(
  api: Api,
  first: number,
): Promise<{ readonly status: number; readonly error: string; readonly next: number }> {
  for (let serial = first; ; serial++) {
    if (serial - first > 4 * DISK_MEBIBYTES) throw new Error('the disk does not fill up');
    const answer = await api.write(BUCKET, ENTRY, makeRecord(serial));
    if (answer.status !== 200) return { status: answer.status, error: answer.error, next: serial };
  }
}

/** Exactly the records with these serials, content and labels included. */
async function expectRecords(api: Api, serials: readonly number[]): Promise<void> {
  const found = await api.readAll(BUCKET, ENTRY);
  expect(found.map(({ ts }) => Number(ts))).toEqual(serials);
  for (const record of found) {
    const { payload, labels } = makeRecord(Number(record.ts));
    expect(record.labels).toEqual(labels);
    if (!record.payload.equals(payload)) throw new Error(`content of ${record.ts} differs`);
  }
}

const upTo = (end: number): number[] => Array.from({ length: end }, (_, serial) => serial);

test('a source with a full disk says 507, still replicates, goes on when there is space, and has lost nothing', async () => {
  await withSides(async ({ disk, small, other, smallApi, otherApi }) => {
    await startTask(smallApi, other);
    const { status, error, next } = await writeUntilRefused(smallApi, 0);
    expect(status).toBe(507);
    expect(error).toMatch(/^Not enough free disk space in the data folder to write a record of /);
    expect(next).toBeGreaterThan(20);
    await expectRecords(smallApi, upTo(next));
    await expect
      .poll(async () => (await detailOf(smallApi)).info.pending_records, PATIENCE)
      .toBe(0);
    await expectRecords(otherApi, upTo(next));
    await disk.free();
    const retry = async (): Promise<number> =>
      (await smallApi.write(BUCKET, ENTRY, makeRecord(next))).status;
    await expect.poll(retry, PATIENCE).toBe(200);
    await small.kill();
    await small.start();
    await smallApi.ok('GET', '/info');
    await expectRecords(smallApi, upTo(next + 1));
    await expect
      .poll(async () => (await detailOf(smallApi)).info.pending_records, PATIENCE)
      .toBe(0);
    await expectRecords(otherApi, upTo(next + 1));
  });
});

test('a task waits while the disk of its target is full, says why, and delivers everything when there is space', async () => {
  await withSides(async ({ disk, small, smallApi, otherApi }) => {
    await startTask(otherApi, small);
    // More than what is free holds beside logs and reserves, and less than what all of the disk does.
    const records = upTo((160 * 1024 * 1024) / RECORD_BYTES);
    for (const serial of records) {
      expect((await otherApi.write(BUCKET, ENTRY, makeRecord(serial))).status).toBe(200);
    }
    const isWaiting = async (): Promise<boolean> => !(await detailOf(otherApi)).info.is_active;
    await expect.poll(isWaiting, PATIENCE).toBe(true);
    const { info, diagnostics } = await detailOf(otherApi);
    expect(info.pending_records).toBeGreaterThan(0);
    expect(JSON.stringify(diagnostics.hourly.errors['503'])).toContain(
      'Not enough free disk space',
    );
    await small.kill();
    await small.start();
    await disk.free();
    await expect
      .poll(async () => (await detailOf(otherApi)).info, PATIENCE)
      .toMatchObject({ is_active: true, pending_records: 0 });
    await expectRecords(smallApi, records);
    await small.kill();
    await small.start();
    await expectRecords(smallApi, records);
  });
});

test.each([370, 400, 420, 440])(
  'with %i MiB of the disk taken, a source that refuses writes opens again after SIGKILL with all it has acknowledged',
  async (ballastMebibytes) => {
    await withSides(async ({ small, smallApi }) => {
      await smallApi.ok('POST', `/b/${BUCKET}`);
      const { status, next } = await writeUntilRefused(smallApi, 0);
      expect(status).toBe(507);
      // Flushes that the last writes have begun come to their end.
      await setTimeout(1_500);
      await small.kill();
      await small.start();
      await expectRecords(smallApi, upTo(next));
    }, ballastMebibytes);
  },
);

test('a disk that something else fills to the last byte costs no acknowledged record', async () => {
  await withSides(async ({ disk, small, other, smallApi, otherApi }) => {
    await startTask(smallApi, other);
    const acknowledged: number[] = [];
    const write = async (serial: number): Promise<number> => {
      const { status } = await smallApi.write(BUCKET, ENTRY, makeRecord(serial));
      if (status === 200) acknowledged.push(serial);
      return status;
    };
    for (let serial = 0; serial < 100; serial++) expect(await write(serial)).toBe(200);
    await disk.fillUp();
    const refused = new Set<number>();
    for (let serial = 100; serial < 400; serial++) refused.add(await write(serial));
    refused.delete(200);
    expect(refused.size).toBeGreaterThan(0);
    expect([507, 503]).toEqual(expect.arrayContaining([...refused]));
    await disk.free();
    await small.kill();
    await small.start();
    await expectAllOf(smallApi, acknowledged);
    await expect.poll(async () => write(1_000), PATIENCE).toBe(200);
    await expect
      .poll(async () => (await detailOf(smallApi)).info.pending_records, PATIENCE)
      .toBe(0);
    await expectAllOf(otherApi, acknowledged);
  });
});

/** These records, and perhaps some whose writers were refused after they had been stored. */
async function expectAllOf(api: Api, serials: readonly number[]): Promise<void> {
  const found = await api.readAll(BUCKET, ENTRY);
  const all = new Set(found.map(({ ts }) => Number(ts)));
  expect(serials.filter((serial) => !all.has(serial))).toEqual([]);
  for (const record of found) {
    if (!record.payload.equals(makeRecord(Number(record.ts)).payload)) {
      throw new Error(`content of ${record.ts} differs`);
    }
  }
}
