import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { formatResume, parseResume } from '../../src/cli/copy/resume-text.ts';
import type { Api } from '../lib/api.ts';
import { TEST_TOKEN } from '../lib/instance.ts';
import { type CliHome, cliHome } from '../lib/millrace.ts';
import { withTempDir } from '../lib/temp-dir.ts';
import { fill, type Pair, someRecords } from '../copy/lib/copy-harness.ts';
import { interrupt, withCli, withHalfASource } from './lib/cp-harness.ts';

const CP = ['cp', 'src-instance/data', 'dst-instance/data'];

/** First timestamp that is not copied, by entry; empty without a whole file. */
async function positionsIn(path: string): Promise<Map<string, bigint>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    // Not made yet.
    return new Map();
  }
  const state = parseResume(text);
  if (typeof state === 'string') throw new Error(`${path}: ${state}`);
  return new Map(state.entries.map(({ entry, nextUs }) => [entry, nextUs]));
}

async function timestamps(api: Api, entry: string): Promise<bigint[]> {
  return (await api.readAll('data', entry)).map(({ ts }) => ts);
}

interface HeldBack extends Pair {
  readonly cli: CliHome;
  readonly folder: string;
  readonly file: string;
  readonly all: bigint[];
  /** At the destination there is another record. */
  readonly takenUs: bigint;
}

/** A copy that one record keeps from being complete, and its resume file. */
async function withHeldBack(
  use: (held: HeldBack) => Promise<void>,
  { firstUs = 1_000_000n, options = [] as readonly string[] } = {},
): Promise<void> {
  await withCli(async (cli, pair, folder) => {
    const records = someRecords(400, () => ({}), { firstUs });
    await fill(pair.source.api, 'data', 'one', records);
    await fill(pair.source.api, 'data', 'two', records);
    const takenUs = records[250]?.ts ?? 0n;
    await fill(pair.target.api, 'data', 'one', [
      { ts: takenUs, payload: Buffer.from('other'), labels: {} },
    ]);
    const file = join(folder, 'copy.resume');

    const { code, stderr } = await cli.run(...CP, ...options, '--resume', file);

    expect(stderr).toContain(`Record ${takenUs} of entry 'one': [Conflict]`);
    expect(code).toBe(1);
    const all = records.map(({ ts }) => ts);
    await use({ ...pair, cli, folder, file, all, takenUs });
  });
}

describe('millrace cp --resume', () => {
  test.each([
    ['SIGKILL', 'bucket'],
    ['SIGINT', 'bucket'],
    ['SIGKILL', 'folder'],
  ] as const)(
    'ended by %s, with a %s as destination, goes on behind what is copied, reads nothing of it again, and loses nothing',
    async (signal, kind) => {
      await withCli(async (cli, { source, target }, folder) => {
        const records = someRecords(4_000, (index) => ({ index: `${index}` }));
        await fill(source.api, 'data', 'one', records);
        await fill(source.api, 'data', 'two', records);
        const file = join(folder, 'copy.resume');
        const backup = join(folder, 'backup');
        const copied = async (entry: string): Promise<bigint[]> =>
          kind === 'bucket'
            ? timestamps(target.api, entry)
            : (await readdir(join(backup, entry)))
                .filter((name) => !name.startsWith('.'))
                .map((name) => BigInt(name.split('.')[0] ?? ''));
        await withHalfASource(source.url, async (half, open, proxy) => {
          const destination = kind === 'bucket' ? 'dst-instance/data' : backup;
          const command = ['cp', `${half}/data`, destination, '--resume', file];
          const startUs = records[0]?.ts ?? 0n;
          const isTime = async (): Promise<boolean> => {
            const positions = [...(await positionsIn(file)).values()];
            return positions.length === 2 && positions.every((nextUs) => nextUs > startUs);
          };
          const code = await interrupt(cli, command, signal, open, isTime);
          expect(code).toBe(signal === 'SIGINT' ? 130 : null);

          const text = await readFile(file, 'utf8');
          const positions = await positionsIn(file);
          expect(text).not.toContain(TEST_TOKEN);
          expect((await stat(file)).mode & 0o777).toBe(0o600);
          for (const [entry, nextUs] of positions) {
            const there = new Set(await copied(entry));
            expect(there.size).toBeLessThan(records.length);
            const below = records.filter(({ ts }) => ts < nextUs);
            expect(below.length).toBeGreaterThan(0);
            expect(below.filter(({ ts }) => !there.has(ts))).toEqual([]);
          }

          const read: { entry: string; ts: bigint }[] = [];
          proxy.spoil = ({ path, timestamps: found }) => {
            const entry = path.includes('/one') ? 'one' : 'two';
            for (const ts of found) read.push({ entry, ts });
            return null;
          };
          await cli.ok(...command);

          expect(read.length).toBeGreaterThan(0);
          const again = read.filter(({ entry, ts }) => ts < (positions.get(entry) ?? 0n));
          expect(again).toEqual([]);
        });
        const all = new Set(records.map(({ ts }) => ts));
        for (const entry of ['one', 'two']) expect(new Set(await copied(entry))).toEqual(all);
        expect((await readdir(folder)).filter((name) => name.includes('resume'))).toEqual([]);
      });
    },
    300_000,
  );

  test('tries a record that failed again, and removes the file once all is copied', async () => {
    await withHeldBack(async ({ cli, folder, file, target, all, takenUs }) => {
      // Of a run that was killed while it wrote.
      await writeFile(join(folder, '.copy.resume.99999999.part'), 'half');
      const positions = await positionsIn(file);
      expect(positions.get('one')).toBeLessThanOrEqual(takenUs);
      expect(positions.get('two')).toBe((all.at(-1) ?? 0n) + 1n);
      await target.api.ok('DELETE', `/b/data/one?ts=${takenUs}`);

      const last = await cli.ok(...CP, '--resume', file);

      expect(last).toContain('Copied 1 (skipped');
      expect(await timestamps(target.api, 'one')).toEqual(all);
      expect((await readdir(folder)).filter((name) => name.includes('resume'))).toEqual([]);
    });
  });

  test('begins an entry anew when the destination lost what it had acknowledged', async () => {
    await withHeldBack(async ({ cli, file, target, all }) => {
      await target.api.ok('DELETE', '/b/data');
      await cli.ok(...CP, '--resume', file, '--verify');
      expect(await timestamps(target.api, 'one')).toEqual(all);
      expect(await timestamps(target.api, 'two')).toEqual(all);
    });
  });

  test('finds with --verify what is missing below the positions, and copies it next time', async () => {
    await withHeldBack(async ({ cli, file, target, all }) => {
      const lostUs = all[3] ?? 0n;
      await target.api.ok('DELETE', `/b/data/two?ts=${lostUs}`);
      const found = await cli.run(...CP, '--resume', file, '--verify');
      expect(found.stderr).toContain(`Record ${lostUs} of entry 'two': missing`);
      expect((await positionsIn(file)).get('two')).toBe(lostUs);

      await cli.run(...CP, '--resume', file);

      expect(await timestamps(target.api, 'two')).toEqual(all);
    });
  });

  test('takes relative times as the first run took them, and another name of a server as the same', async () => {
    const firstUs = BigInt(Date.now() - 3_600_000) * 1000n;
    const options = ['--start', 'now-1d', '--stop', 'now'];
    await withHeldBack(
      async ({ cli, file, source, target, takenUs }) => {
        const late = { ts: BigInt(Date.now()) * 1000n, payload: Buffer.from('x'), labels: {} };
        await fill(source.api, 'data', 'two', [late]);
        await target.api.ok('DELETE', `/b/data/one?ts=${takenUs}`);
        await cli.ok('alias', 'add', 'again', '--url', source.url, '--token', TEST_TOKEN);

        await cli.ok('cp', 'again/data', 'dst-instance/data', ...options, '--resume', file);

        expect(await timestamps(target.api, 'two')).not.toContain(late.ts);
      },
      { firstUs, options },
    );
  });

  test.each([
    [['cp', 'src-instance/other', 'dst-instance/data'], 'the source was http'],
    [['cp', 'src-instance/data', 'dst-instance/other'], 'the destination was http'],
    [[...CP, '--start', '5'], '--start was not given and is 5'],
    [[...CP, '--stop', '2030-01-01'], '--stop was not given and is 2030-01-01'],
    [[...CP, '--from-last'], '--from-last was not given'],
    [[...CP, '--entries', 'two'], '--entries was not given and is two'],
    [[...CP, '--include', 'a=b'], '--include was not given and is a=b'],
    [[...CP, '--exclude', 'a=b'], '--exclude was not given and is a=b'],
    [[...CP, '--when', '{"&a":{"$eq":1}}'], '--when was not given'],
  ])('refuses to go on with %j where the file is of another command', async (args, text) => {
    await withTempDir(async (folder) => {
      const file = join(folder, 'copy.resume');
      await fileOfCommand(folder, file);
      const before = await readFile(file, 'utf8');
      const { code, stderr } = await cliHome(folder).run(...args, '--resume', file);
      expect(stderr).toContain('belongs to another copy');
      expect(stderr).toContain(text);
      expect(stderr).toContain('Run the command as it was');
      expect(stderr).not.toContain(TEST_TOKEN);
      expect(code).toBe(1);
      expect(await readFile(file, 'utf8')).toBe(before);
    });
  });

  test('refuses files that are damaged or not its own, and leaves them as they are', async () => {
    await withTempDir(async (folder) => {
      const file = join(folder, 'copy.resume');
      await fileOfCommand(folder, file);
      const good = await readFile(file, 'utf8');
      const spoiled = [
        '',
        'my notes\n',
        '{"entries":[]}',
        good.slice(0, good.length / 2),
        good.replace('"next_us": "77"', '"next_us": "78"'),
        good.replace('"version": 1', '"version": 2'),
      ];
      for (const text of spoiled) {
        expect(text).not.toBe(good);
        await writeFile(file, text);
        const { code, stderr } = await cliHome(folder).run(...CP, '--resume', file);
        expect(stderr).toContain('is no resume file to go on with');
        expect(code).toBe(1);
        expect(await readFile(file, 'utf8')).toBe(text);
      }
      const missing = join(folder, 'nowhere', 'copy.resume');
      const { code, stderr } = await cliHome(folder).run(...CP, '--resume', missing);
      expect(stderr).toContain('Cannot write the resume file');
      expect(code).toBe(1);
    });
  });

  test.each([
    ['--each-n', '2'],
    ['--each-s', '1.5'],
    ['--limit', '3'],
    ['--when', '{"$each_n":2}'],
    ['--ext-params', '{"x":{}}'],
  ])('refuses %s, whose verdict depends on what a resumed run does not read', async (...option) => {
    await withTempDir(async (folder) => {
      const file = join(folder, 'copy.resume');
      const { code, stderr } = await cliHome(folder).run(...CP, ...option, '--resume', file);
      expect(stderr).toContain('depends on the records before');
      expect(code).toBe(2);
      await expect(stat(file)).rejects.toThrow('ENOENT');
    });
  });

  test('counts with --dry-run what is left, and does not touch the file', async () => {
    await withHeldBack(async ({ cli, file, target, takenUs }) => {
      const before = await readFile(file, 'utf8');
      const { mtimeMs } = await stat(file);
      await target.api.ok('DELETE', `/b/data/one?ts=${takenUs}`);

      const told = await cli.ok(...CP, '--dry-run', '--resume', file);

      expect(told).toContain('Would copy 1 (skipped');
      expect(await readFile(file, 'utf8')).toBe(before);
      expect((await stat(file)).mtimeMs).toBe(mtimeMs);
      const other = `${file}.2`;
      await cli.run(...CP, '--dry-run', '--resume', other);
      await expect(stat(other)).rejects.toThrow('ENOENT');
    });
  });

  test('meets a file again that was no record at the first run', async () => {
    await withCli(async (cli, { source, target }, folder) => {
      const records = someRecords(300);
      await fill(source.api, 'data', 'one', records);
      const backup = join(folder, 'backup');
      await cli.ok('cp', 'src-instance/data', backup, '-m', '--ext', 'bin');
      const spoiled = join(backup, 'one', `${records[120]?.ts}.bin`);
      const content = await readFile(spoiled);
      await writeFile(spoiled, 'cut');
      const command = ['cp', backup, 'dst-instance/data', '--resume', join(folder, 'copy.resume')];
      expect((await cli.run(...command)).code).toBe(1);
      await writeFile(spoiled, content);

      expect(await cli.ok(...command)).toContain('Copied 1 (skipped');

      expect(await target.api.readAll('data', 'one')).toEqual(records);
    });
  });

  test('keeps the buckets of a copy of several apart', async () => {
    await withCli(async (cli, { source, target }, folder) => {
      const records = someRecords(50);
      const file = join(folder, 'copy.resume');
      for (const bucket of ['a', 'b']) await fill(source.api, bucket, 'one', records);
      await fill(target.api, 'b', 'one', [
        { ts: records[9]?.ts ?? 0n, payload: Buffer.from('other'), labels: {} },
      ]);
      const command = ['cp', 'src-instance/*', 'dst-instance', '--resume', file];
      expect((await cli.run(...command)).code).toBe(1);
      await target.api.ok('DELETE', `/b/b/one?ts=${records[9]?.ts}`);

      expect(await cli.ok(...command)).toContain("Copied 0 records (0 B) from bucket 'a'");

      expect(await target.api.readAll('b', 'one')).toEqual(records);
      await expect(stat(file)).rejects.toThrow('ENOENT');
    });
  });
});

/** The file that `CP` leaves when it ends in the middle, and its aliases; nobody answers at them. */
async function fileOfCommand(folder: string, file: string): Promise<void> {
  const cli = cliHome(folder);
  for (const [name, port] of [
    ['src-instance', 1],
    ['dst-instance', 2],
  ]) {
    const url = `http://127.0.0.1:${port}`;
    await cli.ok('alias', 'add', `${name}`, '--url', url, '--token', TEST_TOKEN);
  }
  const command = {
    'the source': 'http://127.0.0.1:1/data',
    'the destination': 'http://127.0.0.1:2/data',
  };
  const entries = [{ bucket: 'data', entry: 'one', startUs: 0n, nextUs: 77n }];
  await writeFile(file, formatResume({ command, startUs: null, stopUs: null, entries }));
}
