import { describe, expect, test } from 'vitest';
import { toJson, prettyJson } from '../../src/cli/output/json-text.ts';
import { Output } from '../../src/cli/output/output.ts';
import { type Progress, progressFigures, startProgress } from '../../src/cli/output/progress.ts';
import { grid, markdownTable } from '../../src/cli/output/table.ts';
import { replicaTable } from '../../src/cli/replica-text.ts';
import { isJsonObject, parseJson } from '../../src/wire/json.ts';

/** A stream that keeps what is written to it. */
function fakeStream(isTTY: boolean): {
  text: string;
  isTTY: boolean;
  write(text: string): boolean;
} {
  return {
    text: '',
    isTTY,
    write(text: string): boolean {
      this.text += text;
      return true;
    },
  };
}

describe('a table', () => {
  test('of tasks is the one of the contract, blank for blank', () => {
    const task = parseJson('{"name":"my-replication","is_active":true,"pending_records":0}');
    expect(replicaTable(isJsonObject(task) ? [task] : [])).toBe(
      [
        '| Name           | Status | Mode      | Pending Records | Provisioned |',
        '|----------------|--------|-----------|-----------------|-------------|',
        '| my-replication | ✅ Ok  | ▶ Enabled | 0               | -           |',
      ].join('\n'),
    );
  });

  test('is not broken by what stands in a cell', () => {
    expect(markdownTable(['A', 'B'], [['a|b\r\nc', '日本']])).toBe(
      ['| A      | B    |', '|--------|------|', '| a\\|b c | 日本 |'].join('\n'),
    );
  });

  test('without borders keeps the lines of a cell together', () => {
    expect(grid([['a: 1\n  2', 'b: 3'], ['longer: 4']])).toBe('a: 1       b: 3\n  2\nlonger: 4');
  });
});

describe('JSON', () => {
  test('is indented, keeps big integers and leaves out what is not there', () => {
    const value = toJson({ a: 2n ** 64n - 1n, b: [], c: {}, d: undefined, e: ['x', null, true] });
    expect(prettyJson(value)).toBe(
      '{\n  "a": 18446744073709551615,\n  "b": [],\n  "c": {},\n  "e": [\n    "x",\n    null,\n    true\n  ]\n}',
    );
  });
});

describe('an error', () => {
  const error = { message: 'no', hint: 'try' };

  test.each([
    ['on a terminal is bold and red', true, {}, '\u001b[1m\u001b[31mno\u001b[39m\u001b[22m\ntry\n'],
    ['elsewhere is plain', false, {}, 'no\ntry\n'],
    ['with NO_COLOR is plain on a terminal', true, { NO_COLOR: '1' }, 'no\ntry\n'],
    ['on a dumb terminal is plain', true, { TERM: 'dumb' }, 'no\ntry\n'],
  ])('%s', (_, isTTY, env, text) => {
    const stdout = fakeStream(isTTY);
    const stderr = fakeStream(isTTY);
    new Output(stdout, stderr, env).error(error);
    expect(stderr.text).toBe(text);
    expect(stdout.text).toBe('');
  });
});

describe('progress', () => {
  const done: Progress = { records: 50, bytes: 2_000_000, totalRecords: 200 };

  test('without a terminal is a plain line every ten seconds, on stderr', async () => {
    const stdout = fakeStream(false);
    const stderr = fakeStream(false);
    let nowMs = 0;
    const progress = await startProgress(new Output(stdout, stderr, {}), {
      quiet: false,
      nowMs: () => nowMs,
    });
    for (nowMs = 0; nowMs <= 25_000; nowMs += 1000) progress.update(done);
    progress.stop();
    expect(stderr.text.split('\n')).toEqual([
      '50/200 records, 2.0 MB, 5 records/s, 200.0 KB/s, 30s left',
      '50/200 records, 2.0 MB, 3 records/s, 100.0 KB/s, 60s left',
      '',
    ]);
    expect(stdout.text).toBe('');
  });

  test('that is quiet shows nothing', async () => {
    const stderr = fakeStream(false);
    let nowMs = 0;
    const progress = await startProgress(new Output(fakeStream(false), stderr, {}), {
      quiet: true,
      nowMs: () => nowMs,
    });
    for (nowMs = 0; nowMs <= 25_000; nowMs += 1000) progress.update(done);
    progress.stop();
    expect(stderr.text).toBe('');
  });

  test('has no remaining time before the first record', () => {
    expect(progressFigures({ records: 0, bytes: 0, totalRecords: 9 }, 0)).toMatchObject({
      left: '?',
    });
  });
});
