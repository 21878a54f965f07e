import { describe, expect, test } from 'vitest';
import { metricSum } from '../../src/demo/prometheus-text.ts';

const TEXT = `# HELP millrace_task_pending_records Records of a task that wait.
# TYPE millrace_task_pending_records gauge
millrace_task_pending_records{task="a",host="x}y\\"z"} 12
millrace_task_pending_records{task="b"} 3 1700000000000
millrace_task_pending_records_peak 99
millrace_task_lag_seconds 1.5e-3
broken_metric NaN
`;

describe('metricSum', () => {
  test('sums all series of exactly this name', () => {
    expect(metricSum(TEXT, 'millrace_task_pending_records')).toBe(15);
  });

  test('reads a metric without labels', () => {
    expect(metricSum(TEXT, 'millrace_task_lag_seconds')).toBe(0.0015);
  });

  test.each(['absent', 'broken_metric', 'millrace_task'])('%s has no value', (name) => {
    expect(metricSum(TEXT, name)).toBeUndefined();
  });
});
