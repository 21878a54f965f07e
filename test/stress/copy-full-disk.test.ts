import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { fill, someRecords } from '../copy/lib/copy-harness.ts';
import { TEST_TOKEN, withInstance } from '../lib/instance.ts';
import { cliHome, MILLRACE } from '../lib/millrace.ts';
import { withTempDir } from '../lib/temp-dir.ts';

test('a copy into a folder whose disk is full ends, and counts the files that are whole', async () => {
  await withTempDir(async (folder) => {
    await withInstance(async ({ url, api }) => {
      const records = someRecords(3_000, () => ({}), { bytes: 2_000 });
      await fill(api, 'data', 'one', records);
      const source = `${url.replace('://', `://${TEST_TOKEN}@`)}/data`;
      const disk = join(folder, 'disk');
      // A mount namespace of its own, which any user may make.
      const script = [
        `mkdir '${disk}' && mount -t tmpfs -o size=3m tmpfs '${disk}' || exit 99`,
        `'${process.execPath}' '${MILLRACE}' cp '${source}' '${disk}/f' -q --json; echo "code $?"`,
        `find '${disk}/f' -type f -name '*.part' | wc -l`,
        `find '${disk}/f' -type f -size 2000c | wc -l`,
        `find '${disk}/f' -type f | wc -l`,
      ].join('\n');
      const { stdout } = await promisify(execFile)(
        'unshare',
        ['--user', '--map-root-user', '--mount', 'sh', '-c', script],
        {
          env: {
            PATH: process.env['PATH'] ?? '',
            MILLRACE_CONFIG: cliHome(folder).configPath,
          },
        },
      );
      const [json = '', code, counts = ''] = stdout.split(/^(code \d+)\n/m);
      expect(code).toBe('code 1');
      const report = JSON.parse(json);
      expect(report.stopped_because).toContain('ENOSPC');
      const [unfinished, whole, all] = counts.trim().split(/\s+/).map(Number);
      expect(unfinished).toBe(0);
      expect(report.copied_records).toBeGreaterThan(0);
      expect(report.copied_records).toBe(whole);
      expect(all).toBe(whole);
    });
  });
});
