/** Histories of writes, updates, removals, renames and restarts through the API of a whole instance. */
import fc from 'fast-check';
import { test } from 'vitest';
import { compare, doStep, restart, stepArbitrary } from '../lib/history.ts';
import type { Subject } from '../lib/history.ts';
import { startInstance } from '../lib/instance.ts';
import { BucketModel } from '../lib/record-model.ts';
import { withTempDir } from '../lib/temp-dir.ts';

/** On a slow machine fewer histories are tried. */
const MAX_MS = 100_000;

test('any history agrees with a model in memory', { timeout: 240_000 }, async () => {
  const endMs = performance.now() + MAX_MS;
  await fc.assert(
    fc.asyncProperty(fc.array(stepArbitrary, { minLength: 4, maxLength: 30 }), async (steps) => {
      if (performance.now() > endMs) return;
      await withTempDir(async (path) => {
        const instance = await startInstance(path);
        const subject: Subject = { instance, bucket: 'one', model: new BucketModel() };
        try {
          await instance.api.ok('POST', '/b/one', {}, '{"max_block_records":5}');
          for (const step of steps) await doStep(subject, step);
          await compare(subject);
          await restart(subject);
          await compare(subject);
        } finally {
          await subject.instance.stop();
        }
      });
    }),
    { numRuns: 12 },
  );
});
