import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MetaCache } from '../../../src/replication/scan/meta-cache.ts';
import { LogBlock } from '../../../src/replication/scan/log-block.ts';
import { encodeRecordHeaders, type Run } from '../../../src/replication/scan/record-headers.ts';
import { blockBytesBound, encodeBlock } from '../../../src/store/block.ts';
import { encodeMeta } from '../../../src/store/record-meta.ts';

interface Sample {
  readonly ts: bigint;
  readonly length: number;
  readonly state: number;
}

const STATES = ['', 'idle', 'working', 'corrupted', 'stopped', 'unknown'];
const METAS = STATES.map((state) => encodeMeta('text/plain', state === '' ? [] : ['state', state]));

function blockOf(records: readonly Sample[]): LogBlock {
  const source = Buffer.alloc(64);
  const rows = records.map(({ ts, length, state }) => {
    const meta = METAS[state] ?? Buffer.alloc(0);
    return { ts, length, meta, source, offset: 0 };
  });
  const out = Buffer.alloc(blockBytesBound(rows));
  const identity = { sequence: 1, bucketId: 1, entryId: 1, bucketOrdinal: 0 };
  return new LogBlock(out.subarray(0, encodeBlock(out, identity, rows)));
}

function lineOf({ ts, length, state }: Sample): string {
  const label = STATES[state] === '' ? '' : `,state=${STATES[state]}`;
  return `x-reduct-time-${ts}: ${length},text/plain${label}`;
}

test('header lines of any timestamps, lengths and labels are what each record says for itself', () => {
  const ts = fc.oneof(
    fc.bigInt(0n, 3_000_000n),
    fc.bigInt(1_764_360_000_000_000n, 1_764_360_003_000_000n),
    fc.bigInt(2n ** 53n - 1000n, 2n ** 53n + 1000n),
    fc.bigInt(0n, 2n ** 64n - 1n),
  );
  const sample = fc.record({
    ts,
    length: fc.integer({ min: 0, max: 64 }),
    state: fc.integer({ min: 0, max: STATES.length - 1 }),
  });
  const records = fc.uniqueArray(sample, { selector: (record) => record.ts, minLength: 1 });
  fc.assert(
    fc.property(fc.array(records, { minLength: 1, maxLength: 4 }), (blocks) => {
      const sorted = blocks.map((block) => block.toSorted((a, b) => (a.ts < b.ts ? -1 : 1)));
      const runs = sorted.map((block): Run => {
        return { view: blockOf(block), from: 0, to: block.length };
      });
      const { headerName, headerValue } = encodeRecordHeaders(runs, new MetaCache());
      expect(`${headerName}: ${headerValue}`.split('\r\n')).toEqual(sorted.flat().map(lineOf));
    }),
    { numRuns: 300 },
  );
});
