/**
 * Random histories over HTTP whose restarts are SIGKILLs, against a model in memory. `STRESS_ROUNDS` histories, 20
 * unless set.
 */
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compare, doStep, restart, stepArbitrary } from '../lib/history.ts';
import type { Subject } from '../lib/history.ts';
import { BucketModel } from '../lib/record-model.ts';
import { freePort } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';
import { crash } from './history/crash.ts';
import { startProcess } from './history/process-instance.ts';

const ROUNDS = Number(process.env['STRESS_ROUNDS'] ?? 20);
const ROUND_TIMEOUT_MS = 30_000;

const crashArbitrary = fc.record({
  kind: fc.constant('crash'),
  delayMs: fc.integer({ min: 0, max: 25 }),
});

const historyArbitrary = fc.array(
  fc.oneof({ weight: 6, arbitrary: stepArbitrary }, { weight: 1, arbitrary: crashArbitrary }),
  { minLength: 8, maxLength: 24 },
);

let answered = 0;
let serial = 0;

test(
  `${ROUNDS} histories with SIGKILL in place of a stop agree with a model in memory`,
  { timeout: 60_000 + ROUNDS * ROUND_TIMEOUT_MS },
  async () => {
    await fc.assert(
      fc.asyncProperty(historyArbitrary, async (steps) => {
        await withTempDir(async (path) => {
          const instance = await startProcess(join(path, 'data'), await freePort());
          const subject: Subject = { instance, bucket: 'one', model: new BucketModel() };
          try {
            await instance.api.ok('POST', '/b/one', {}, '{"max_block_records":5}');
            for (const step of steps) {
              if (step.kind !== 'crash') {
                await doStep(subject, step);
                continue;
              }
              answered += await crash(subject, serial++, step.delayMs);
              await compare(subject);
            }
            await restart(subject);
            await compare(subject);
          } finally {
            await subject.instance.stop();
          }
        });
      }),
      { numRuns: ROUNDS, endOnFailure: true },
    );
    // The kill has to meet requests before and behind their answers, or the histories show nothing.
    expect(answered).toBeGreaterThan(0);
  },
);
