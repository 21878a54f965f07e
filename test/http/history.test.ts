/** Histories of writes, updates, removals, renames, evictions and restarts through the API of a whole instance. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compare, doStep, stepArbitrary } from '../lib/history.ts';
import type { Subject } from '../lib/history.ts';
import { startInstance } from '../lib/instance.ts';
import { BucketModel } from '../lib/record-model.ts';
import { withTempDir } from '../lib/temp-dir.ts';

test('any history agrees with a model in memory', { timeout: 240_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(stepArbitrary, { minLength: 4, maxLength: 30 }), async (steps) => {
      await withTempDir(async (path) => {
        const instance = await startInstance(path);
        const subject: Subject = { instance, bucket: 'one', model: new BucketModel() };
        try {
          await instance.api.ok('POST', '/b/one', {}, '{"max_block_records":5}');
          for (const step of steps) await doStep(subject, step);
          await compare(subject);
          subject.instance = await subject.instance.restart();
          await compare(subject);
        } finally {
          await subject.instance.stop();
        }
      });
    }),
    { numRuns: 12 },
  );
});

/** Sizes of contents, written to entries in turn with ascending times. */
const contents = fc.array(
  fc.record({ entry: fc.constantFrom('a', 'b', 'c'), bytes: fc.integer({ min: 0, max: 400 }) }),
  { minLength: 5, maxLength: 40 },
);

test(
  'a FIFO quota gives up the oldest records, only when it must, and nothing else changes',
  { timeout: 240_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(contents, fc.integer({ min: 1, max: 6 }), async (writes, blockRecords) => {
        await withTempDir(async (path) => {
          const quotaBytes = 2_000;
          let instance = await startInstance(path);
          try {
            const settings = {
              quota_type: 'FIFO',
              quota_size: quotaBytes,
              max_block_records: blockRecords,
            };
            await instance.api.ok('POST', '/b/fifo', {}, JSON.stringify(settings));
            const held = new Map<string, Map<bigint, number>>();
            for (const [at, { entry, bytes }] of writes.entries()) {
              const ts = BigInt(at);
              const before = await sizeOf(instance.api);
              const payload = Buffer.alloc(bytes, at);
              const written = await instance.api.write('fifo', entry, { ts, payload, labels: {} });
              expect(written.status).toBe(200);
              const own = held.get(entry) ?? new Map<bigint, number>();
              held.set(entry, own.set(ts, bytes));
              let gone = 0;
              for (const [name, records] of held) {
                const left = await instance.api.readAll('fifo', name);
                const times = left.map((record) => record.ts);
                // What is left are the newest ones, unaltered.
                expect(times).toEqual([...records.keys()].slice(records.size - times.length));
                for (const record of left) {
                  expect(record.payload).toEqual(
                    Buffer.alloc(records.get(record.ts) ?? -1, Number(record.ts)),
                  );
                }
                for (const old of [...records.keys()].slice(0, records.size - times.length)) {
                  records.delete(old);
                  gone++;
                }
              }
              expect(gone > 0).toBe(before + bytes > quotaBytes);
              expect(await sizeOf(instance.api)).toBeLessThanOrEqual(quotaBytes + 100);
              if (at % 20 === 19) instance = await instance.restart();
            }
          } finally {
            await instance.stop();
          }
        });
      }),
      { numRuns: 4 },
    );
  },
);

async function sizeOf(api: Subject['instance']['api']): Promise<number> {
  const { text } = await api.ok('GET', '/b/fifo');
  return (JSON.parse(text) as { info: { size: number } }).info.size;
}
