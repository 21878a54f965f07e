import type { RecordView } from '../../../src/when/frame.ts';

/** A record of a timestamp and labels, as conditions see it. */
export interface TestRecord extends RecordView {
  readonly labels: Readonly<Record<string, string>>;
}

/** @param timestamp µs. */
export function testRecord(timestamp: bigint, labels: Record<string, string> = {}): TestRecord {
  const values = new Map(Object.entries(labels));
  return {
    timestamp,
    labels,
    label: (name) => values.get(name),
    hasLabel: (name) => values.has(name),
  };
}
