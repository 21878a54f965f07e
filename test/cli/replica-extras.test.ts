/** Commands of our own extensions, against two real instances. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliServer, startCliServer } from '../lib/cli-server.ts';
import { startInstance, type RunningInstance, TEST_TOKEN } from '../lib/instance.ts';
import { join } from 'node:path';

let source: CliServer;
let target: RunningInstance;

beforeAll(async () => {
  source = await startCliServer();
  target = await startInstance(join(source.folder, 'target'), {
    RS_SYSTEM_EVENTS_ENABLED: 'false',
  });
  await source.cli.ok('alias', 'add', 'cloud', '-L', target.url, '-t', TEST_TOKEN);
  await source.cli.ok('bucket', 'create', 'local/raw');
  for (let at = 1n; at <= 4n; at++) await write('raw', 'cam-1', at, 'ok');
  await write('raw', 'cam-2', 1n, 'bad');
});

afterAll(async () => {
  await target.stop();
  await source.stop();
});

async function write(bucket: string, entry: string, ts: bigint, state: string): Promise<void> {
  const record = { ts, payload: Buffer.from(`${entry} ${ts}`), labels: { state } };
  expect((await source.instance.api.write(bucket, entry, record)).status).toBe(200);
}

/** Repeats `ask` until `isDone` says so; the time limit of the test bounds it. */
async function until(
  ask: () => Promise<string>,
  isDone: (text: string) => boolean,
): Promise<string> {
  for (;;) {
    const text = await ask();
    if (isDone(text)) return text;
  }
}

async function hasRecord(bucket: string, entry: string, ts: number): Promise<boolean> {
  const { status } = await target.api.call('GET', `/b/${bucket}/${entry}?ts=${ts}`);
  return status === 200;
}

describe('a back-fill', () => {
  test('sends what was there, is listed, shown and finished', async () => {
    const { cli } = source;
    await cli.ok('replica', 'create', 'local/fill', 'raw', 'cloud/filled');
    expect(await cli.ok('replica', 'backfill', 'ls', 'local/fill')).toBe('');
    expect(await cli.ok('replica', 'backfill', 'start', 'local/fill', '-n', 'cam-1')).toBe(
      "Back-fill 1 of 'fill' started\n",
    );
    const shown = await until(
      () => cli.ok('replica', 'backfill', 'show', 'local/fill', '1'),
      (text) => text.includes('State: done'),
    );
    expect(shown).toContain('Sent Records: 4');
    expect(await hasRecord('filled', 'cam-1', 4)).toBe(true);
    expect(await hasRecord('filled', 'cam-2', 1)).toBe(false);
    const list = await cli.ok('replica', 'backfill', 'ls', 'local/fill');
    expect(list).toMatch(/^\| Id \| State \| Records \| Bytes +\| Records\/s \|/);
    expect(JSON.parse(await cli.ok('replica', 'backfill', 'ls', 'local/fill', '--json'))).toEqual([
      expect.objectContaining({ id: 1, state: 'done', entries: ['cam-1'] }),
    ]);
    expect(await cli.run('replica', 'backfill', 'pause', 'local/fill', '1')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[Conflict]'),
    });
  });

  test('is paused, resumed and cancelled', async () => {
    const { cli } = source;
    await cli.ok('replica', 'create', 'local/states', 'raw', 'cloud/states', '--mode', 'paused');
    await cli.ok('replica', 'backfill', 'start', 'local/states', '--start', '2', '--stop', 'now');
    for (const [verb, state] of [
      ['pause', 'paused'],
      ['resume', 'running'],
      ['cancel', 'cancelled'],
    ] as const) {
      expect(await cli.ok('replica', 'backfill', verb, 'local/states', '1')).toBe(
        `Back-fill 1 of 'states' ${state}\n`,
      );
      const shown = JSON.parse(
        await cli.ok('replica', 'backfill', 'show', 'local/states', '1', '--json'),
      );
      expect(shown).toMatchObject({ state, start: 2 });
    }
  });

  test('begins with the task when it is created with --start', async () => {
    const { cli } = source;
    await cli.ok(
      'replica',
      'create',
      'local/whole',
      'raw',
      'cloud/whole',
      '--start',
      'beginning',
      '--order',
      'newest',
    );
    await until(
      () => cli.ok('replica', 'backfill', 'ls', 'local/whole', '--json'),
      (text) => text.includes('"done"'),
    );
    expect(await hasRecord('whole', 'cam-2', 1)).toBe(true);
    expect(await cli.ok('replica', 'show', 'local/whole')).toContain('Order: "newest"');
  });
});

describe('a check', () => {
  test('of a task that is not yet there says what it would meet', async () => {
    const { cli } = source;
    const text = await cli.ok('replica', 'check', 'local/planned', 'raw', 'cloud/planned');
    expect(text).toContain('✅ connection: ');
    expect(text).toContain("⚠ bucket: 'planned' does not exist and would be created");
    expect(text.trimEnd().split('\n').at(-1)).toMatch(/^⚠ bucket: /);
    expect(text).not.toContain(TEST_TOKEN);
    expect((await cli.run('replica', 'show', 'local/planned')).code).toBe(1);
  });

  test('of a target that refuses fails with what to do', async () => {
    const { cli } = source;
    const url = target.url.replace('http://', 'http://wrong@');
    const { code, stdout } = await cli.run('replica', 'check', 'local/planned', 'raw', `${url}/b`);
    expect(code).toBe(1);
    expect(stdout).toContain('❌ token: ');
    const json = await cli.run('replica', 'check', 'local/planned', 'raw', `${url}/b`, '--json');
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({ status: 'error' });
  });

  test('of a stored task takes its settings, with changes on top', async () => {
    const { cli } = source;
    await cli.ok('replica', 'create', 'local/checked', 'raw', 'cloud/checked', '--mode', 'paused');
    expect(await cli.ok('replica', 'check', 'local/checked')).toContain('compression: none');
    expect(await cli.ok('replica', 'check', 'local/checked', '-c', 'zstd')).toContain('zstd');
    expect(await cli.run('replica', 'check', 'local/checked', 'raw')).toMatchObject({ code: 2 });
  });
});

describe('a preview', () => {
  test('says what filters let through and what they refuse', async () => {
    const { cli } = source;
    const options = ['-s', 'raw', '-I', 'state=ok', '--records', '100'];
    const text = await cli.ok('replica', 'preview', 'local/none', ...options);
    expect(text).toContain('Considered: 5 records (');
    expect(text).toContain('Passed: 4 records (');
    expect(text).toContain('Refused by include: 1 records (');
    expect(text).toMatch(/\| cam-1 \| 4 +\| 4 +\|/);
    const json = await cli.ok('replica', 'preview', 'local/none', ...options, '--json');
    expect(JSON.parse(json)).toMatchObject({ passed: { records: 4 } });
  });

  test('of a stored task takes its filters, with changes on top', async () => {
    const { cli } = source;
    await cli.ok(
      'replica',
      'create',
      'local/pre',
      'raw',
      'cloud/pre',
      '-n',
      'cam-1',
      '--mode',
      'paused',
    );
    expect(await cli.ok('replica', 'preview', 'local/pre')).toContain('Passed: 4 records');
    expect(await cli.ok('replica', 'preview', 'local/pre', '--each-n', '2')).toContain(
      'Passed: 2 records',
    );
  });
});

describe('dead letters', () => {
  test('are listed with their reasons, sent again and discarded', async () => {
    const { cli } = source;
    // The target has other records of these times: each is a conflict.
    await cli.ok('bucket', 'create', 'cloud/taken');
    await cli.ok('bucket', 'create', 'local/letters');
    for (const ts of [1n, 2n, 3n]) {
      const other = { ts, payload: Buffer.from('something else'), labels: {} };
      expect((await target.api.write('taken', 'e', other)).status).toBe(200);
    }
    await cli.ok('replica', 'create', 'local/letters', 'letters', 'cloud/taken');
    for (const ts of [1n, 2n, 3n]) await write('letters', 'e', ts, 'ok');
    const list = await until(
      () => cli.ok('replica', 'deadletters', 'ls', 'local/letters', '--json'),
      (text) => (JSON.parse(text) as unknown[]).length === 3,
    );
    const [first] = JSON.parse(list) as { id: number; ts: number }[];
    expect(await cli.ok('replica', 'deadletters', 'ls', 'local/letters')).toContain(
      'The target has another record at 1',
    );
    const limited = await cli.run('replica', 'deadletters', 'ls', 'local/letters', '-l', '1');
    expect(limited.stdout.trimEnd().split('\n')).toHaveLength(3);
    expect(limited.stderr).toBe('2 more; --limit shows them\n');
    await cli.ok('replica', 'pause', 'local/letters');
    expect(
      await cli.ok('replica', 'deadletters', 'retry', 'local/letters', String(first?.id)),
    ).toBe("1 dead letters of 'letters' will be sent again\n");
    expect(
      await cli.run('replica', 'deadletters', 'discard', 'local/letters', '--all'),
    ).toMatchObject({ code: 1, stdout: '' });
    expect(
      await cli.ok('replica', 'deadletters', 'discard', 'local/letters', '--entry', 'e', '--yes'),
    ).toBe("3 dead letters of 'letters' discarded\n");
    expect(await cli.ok('replica', 'deadletters', 'ls', 'local/letters')).toBe('');
  });

  test.each([[['retry']], [['retry', '1', '--all']], [['discard', '--all', '--entry', 'e']]])(
    '%j does not say which: wrong usage',
    async ([verb = '', ...which]) => {
      const args = ['replica', 'deadletters', verb, 'local/any', ...which];
      expect(await source.cli.run(...args)).toMatchObject({
        code: 2,
        stderr: 'Name ids, or --entry, or --all\nExactly one of them.\n',
      });
    },
  );
});

describe('a comparison', () => {
  test('finds what is missing, repairs it, and then finds nothing', async () => {
    const { cli } = source;
    await cli.ok('bucket', 'create', 'local/compared');
    await write('compared', 'e', 1n, 'ok');
    // What was there before the task is not sent: it is what the comparison finds.
    await cli.ok('replica', 'create', 'local/compare', 'compared', 'cloud/compare');
    await write('compared', 'e', 2n, 'ok');
    await until(
      async () => String(await hasRecord('compare', 'e', 2)),
      (text) => text === 'true',
    );
    expect(await cli.run('replica', 'compare', 'local/compare', '--last')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[NotFound]'),
    });
    const found = await cli.run('replica', 'compare', 'local/compare', '--utc');
    expect(found.code).toBe(1);
    expect(found.stdout).toContain('Missing: 1');
    expect(found.stdout).toContain(
      '| e     | 1970-01-01T00:00:00.000001Z | missing    | 3 bytes | no       |',
    );
    const repaired = await cli.run('replica', 'compare', 'local/compare', '--repair', '--json');
    expect(repaired).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(repaired.stdout)).toMatchObject({ state: 'done', totals: { repaired: 1 } });
    expect(await hasRecord('compare', 'e', 1)).toBe(true);
    const whole = await cli.ok('replica', 'compare', 'local/compare', '--hashes');
    expect(whole).toContain('Equal: 2');
    expect(await cli.ok('replica', 'compare', 'local/compare', '--last')).toBe(whole);
  });
});

describe('a link budget', () => {
  async function budgetOf(name: string): Promise<unknown> {
    const { settings } = JSON.parse(
      await source.cli.ok('replica', 'show', `local/${name}`, '--json'),
    ) as {
      settings: { budget?: unknown };
    };
    return settings.budget;
  }

  test('is set, changed member by member, shown and cleared', async () => {
    const { cli } = source;
    const zone = ['--budget-zone', 'Europe/Berlin'];
    const windows = ['--budget-window', 'mon-fri 22:00-06:00', 'sat,sun 00:00-24:00'];
    const mode = ['--mode', 'paused'];
    await cli.ok(
      'replica',
      'create',
      'local/metered',
      'raw',
      'cloud/metered',
      '--budget-rate',
      '50KB',
      ...zone,
      ...windows,
      ...mode,
    );
    const budget = {
      bytes_per_second: 50_000,
      windows: [
        { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '22:00', to: '06:00' },
        { days: ['sun', 'sat'], from: '00:00', to: '24:00' },
      ],
      time_zone: 'Europe/Berlin',
    };
    expect(await budgetOf('metered')).toMatchObject(budget);
    await cli.ok('replica', 'update', 'local/metered', '--budget-day', '200MB');
    expect(await budgetOf('metered')).toMatchObject({ ...budget, bytes_per_day: 200_000_000 });
    await cli.ok('replica', 'update', 'local/metered', '--clear', 'budget', '--budget-rate', '1KB');
    expect(await budgetOf('metered')).toEqual({ bytes_per_second: 1000, time_zone: 'UTC' });
    await cli.ok('replica', 'update', 'local/metered', '--clear', 'budget');
    expect(await budgetOf('metered')).toBeUndefined();
  });

  test.each(['22:00', 'mon-noday 22:00-06:00', '22-6', 'mon 22:00-06:00 extra'])(
    'with the window %j is wrong usage',
    async (window) => {
      const args = ['replica', 'update', 'local/metered', '--budget-window', window];
      expect(await source.cli.run(...args)).toMatchObject({ code: 2, stdout: '' });
    },
  );
});
