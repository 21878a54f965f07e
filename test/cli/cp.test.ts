import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Api } from '../lib/api.ts';
import { FakeTarget } from '../lib/fake-target.ts';
import { cliHome } from '../lib/millrace.ts';
import { withTempDir } from '../lib/temp-dir.ts';
import { fill, someRecords } from '../copy/lib/copy-harness.ts';
import { interrupt, withCli, withHalfASource } from './lib/cp-harness.ts';

async function timestamps(api: Api, bucket: string, entry: string): Promise<bigint[]> {
  return (await api.readAll(bucket, entry)).map(({ ts }) => ts);
}

describe('millrace cp', () => {
  test('runs the command of the seed document as it stands there', async () => {
    await withCli(async (cli, { source, target }) => {
      const records = someRecords(60, (index) => ({
        anomaly: index % 2 === 0 ? 'true' : 'false',
        status: index % 3 === 0 ? 'ok' : 'bad',
      }));
      await fill(source.api, 'example-bucket', 'sensor', records);
      const command = [
        'cp',
        'src-instance/example-bucket',
        'dst-instance/demo',
        '--include',
        'anomaly=true',
        '--exclude',
        'status=ok',
      ];

      const first = await cli.run(...command);
      const second = await cli.run(...command);

      expect(first).toMatchInlineSnapshot(`
        {
          "code": 0,
          "stderr": "",
          "stdout": "Copied 20 records (400 B) from bucket 'example-bucket'
        ",
        }
      `);
      expect(second).toMatchInlineSnapshot(`
        {
          "code": 0,
          "stderr": "",
          "stdout": "Copied 0 (skipped 20) records (0 B) from bucket 'example-bucket'
        ",
        }
      `);
      const passing = records.filter(
        ({ labels }) => labels['anomaly'] === 'true' && labels['status'] !== 'ok',
      );
      expect(await target.api.readAll('demo', 'sensor')).toEqual(passing);
    });
  });

  test('copies all buckets of an instance, into a folder and back, and tells it as JSON', async () => {
    await withCli(async (cli, { source, target }, folder) => {
      await fill(source.api, 'cam-1', 'one', someRecords(3));
      await fill(source.api, 'cam-2', 'two', someRecords(4));
      await fill(source.api, 'other', 'three', someRecords(5));
      const backup = join(folder, 'backup');

      const many = await cli.run('cp', 'src-instance/cam-*', 'dst-instance');
      const out = await cli.run('cp', 'src-instance/other', backup, '-m', '-l', '2');
      const back = await cli.run('cp', backup, 'dst-instance/back', '--verify', '--json');

      expect(many.stdout).toMatchInlineSnapshot(`
        "Copied 3 records (60 B) from bucket 'cam-1'
        Copied 4 records (80 B) from bucket 'cam-2'
        "
      `);
      expect(out.stdout).toMatchInlineSnapshot(`
        "Copied 2 records (40 B) from bucket 'other'
        "
      `);
      const document = JSON.parse(back.stdout.replaceAll(folder, '<folder>'));
      expect({ ...document, elapsed_ms: 0 }).toMatchInlineSnapshot(`
        {
          "copied_bytes": 40,
          "copied_records": 2,
          "created_bucket": true,
          "elapsed_ms": 0,
          "failed": [],
          "failed_entries": [],
          "failed_records": 0,
          "failures_file": null,
          "interrupted": false,
          "skipped_records": 0,
          "source": "<folder>/backup",
          "stopped_because": null,
          "verified_records": 2,
        }
      `);
      expect(await timestamps(target.api, 'cam-2', 'two')).toHaveLength(4);
      expect(await timestamps(target.api, 'back', 'three')).toHaveLength(2);
    });
  });

  test('reports each record that could not be copied, in a file too, and ends with 1', async () => {
    await withCli(async (cli, { source }, folder) => {
      await fill(source.api, 'data', 'one', someRecords(200));
      const target = new FakeTarget();
      target.faultOf = () => ({
        kind: 'records',
        errorOf: (ts) => (ts === 1_007_000n ? '422,this one is cursed' : undefined),
      });
      await target.start();
      try {
        const failures = join(folder, 'failed.jsonl');
        const result = await cli.run(
          'cp',
          'src-instance/data',
          `${target.url}/dst`,
          '--failures',
          failures,
        );
        expect({
          ...result,
          stderr: result.stderr.replaceAll(folder, '<folder>'),
        }).toMatchInlineSnapshot(`
          {
            "code": 1,
            "stderr": "Record 1007000 of entry 'one': [UnprocessableEntity] this one is cursed
          All records that failed: <folder>/failed.jsonl
          ",
            "stdout": "Copied 199 records (4.0 KB) from bucket 'data'
          ",
          }
        `);
        expect(await readFile(failures, 'utf8')).toMatchInlineSnapshot(`
          "{"entry":"one","ts":1007000,"status":422,"reason":"this one is cursed"}
          "
        `);
        expect(target.recordsOf('dst/one')).toHaveLength(199);
      } finally {
        await target.stop();
      }
    });
  });

  test.each(['SIGINT', 'SIGKILL'] as const)(
    'ended by %s in the middle and run again leaves both sides equal and nothing twice',
    async (signal) => {
      await withCli(async (cli, { source, target }, folder) => {
        const records = someRecords(4_000, (index) => ({ index: `${index}` }), { bytes: 2_000 });
        await fill(source.api, 'data', 'one', records);
        await fill(source.api, 'data', 'two', records);
        const backup = join(folder, 'backup');
        for (const destination of ['dst-instance/data', backup]) {
          const meta = destination === backup ? ['-m'] : [];
          const code = await withHalfASource(source.url, (half, open) =>
            interrupt(cli, ['cp', `${half}/data`, destination, ...meta], signal, open, async () =>
              destination === backup
                ? (await filesIn(join(backup, 'one'))).length > 100
                : (await timestamps(target.api, 'data', 'one')).length > 100,
            ),
          );
          expect(code).toBe(signal === 'SIGINT' ? 130 : null);
        }
        const part = (await timestamps(target.api, 'data', 'one')).length;
        const unfinished = (await filesIn(join(backup, 'one'))).filter((name) =>
          name.startsWith('.'),
        );
        if (signal === 'SIGINT') expect(unfinished).toEqual([]);

        await cli.ok('cp', 'src-instance/data', 'dst-instance/data', '--verify');
        await cli.ok('cp', 'src-instance/data', backup, '-m', '--verify');

        expect(part).toBeGreaterThan(0);
        expect(await timestamps(target.api, 'data', 'one')).toEqual(records.map(({ ts }) => ts));
        expect(await timestamps(target.api, 'data', 'two')).toEqual(records.map(({ ts }) => ts));
        expect(await filesIn(join(backup, 'one'))).toHaveLength(2 * records.length);
      });
    },
    300_000,
  );

  test.each([
    [['cp', 'src-instance', 'dst-instance/x'], 'The source is an instance'],
    [['cp', 'src-instance/*', 'dst-instance/x'], 'need an instance as destination'],
    [['cp', './a', './b'], 'Source and destination are folders'],
    [['cp', 'src-instance/a', 'dst-instance/b', '--start', 'yesterdayish'], 'is no time'],
    [['cp', 'src-instance/a', 'dst-instance/b', '--include', 'x'], 'is no label'],
    [['cp', 'src-instance/a', 'dst-instance/b', '--when', '{'], 'is no JSON'],
    [['cp', 'src-instance/a', './b', '--from-last'], '--from-last needs a bucket'],
  ])('refuses %j with 2 and says what is meant', async (args, text) => {
    await withTempDir(async (folder) => {
      const { code, stderr } = await cliHome(folder).run(...args);
      expect(stderr).toContain(text);
      expect(code).toBe(2);
    });
  });
});

async function filesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch {
    // Not made yet.
    return [];
  }
}
