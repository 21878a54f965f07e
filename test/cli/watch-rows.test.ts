import stringWidth from 'string-width';
import { describe, expect, test } from 'vitest';
import { type TaskLook, type TaskRow, toRow, watchScreen } from '../../src/cli/watch-rows.ts';

function row(name: string, changes: Partial<TaskLook> = {}): TaskRow {
  const look: TaskLook = {
    name,
    mode: 'enabled',
    isActive: true,
    pendingRecords: 0n,
    sentRecords: 0n,
    hourlyRecords: 0n,
    lagSeconds: 0,
    lastError: '',
    atMs: 0,
    ...changes,
  };
  return toRow(look, undefined);
}

describe('the screen of watch', () => {
  test('shows all tasks in their order where there is room', () => {
    const text = watchScreen([row('b', { lastError: '503 busy' }), row('a')], {
      columns: 80,
      rows: 24,
    });
    expect(text).toMatchInlineSnapshot(`
      "| Name | State   | Rate | Lag  | Pending | Last Error |
      |------|---------|------|------|---------|------------|
      | b    | Running | -    | 0.0s | 0       | 503 busy   |
      | a    | Running | -    | 0.0s | 0       | -          |"
    `);
  });

  test('shows tasks in trouble and counts the others where there is none', () => {
    const tasks = Array.from({ length: 300 }, (_, index) => row(`task-${index}`));
    tasks[40] = row('behind', { pendingRecords: 5_000n });
    tasks[290] = row('away', { isActive: false });
    tasks[299] = row('failing', { lastError: '403 no' });
    tasks[298] = row('resting', { mode: 'paused', isActive: false });
    const lines = watchScreen(tasks, { columns: 80, rows: 8 }).split('\n');
    expect(lines).toHaveLength(7);
    expect(lines.slice(2, 6).map((line) => line.split(' ')[1])).toEqual([
      'away',
      'failing',
      'behind',
      'task-0',
    ]);
    expect(lines[6]).toBe('… and 296 more: 295 Running, 1 Paused');
  });

  test.each([20, 60, 80, 100])('is no wider than %d columns', (columns) => {
    const tasks = [
      row('a-task-with-a-name-of-many-letters', {
        lastError: `-3 ${'ECONNREFUSED 10.0.0.1:8383 '.repeat(9)}`,
      }),
      row('日本語の名前'.repeat(8), { mode: 'paused' }),
    ];
    const lines = watchScreen(tasks, { columns, rows: 24 }).split('\n');
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
    if (columns >= 80) for (const line of lines) expect(line.endsWith('|')).toBe(true);
  });
});
