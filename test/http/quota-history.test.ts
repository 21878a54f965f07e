/** Histories with evictions: a bucket with a FIFO quota, whose records are written, changed, removed and renamed. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Api } from '../lib/api.ts';
import { compare, doStep, restart } from '../lib/history.ts';
import type { Subject } from '../lib/history.ts';
import { startInstance } from '../lib/instance.ts';
import { BucketModel } from '../lib/record-model.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const QUOTA_BYTES = 2_000;
/** Above what the contract counts for a record besides its content, here. */
const METADATA_BYTES = 100;
const BUCKET = 'fifo';

const entry = fc.constantFrom('a', 'a/b', 'c');
const ts = fc.bigInt({ min: 0n, max: 60n });
const times = fc.uniqueArray(ts, { minLength: 1, maxLength: 4 });
const labels = fc.dictionary(fc.constantFrom('p', 'q'), fc.constantFrom('1', '2'));
const protocol = fc.constantFrom('single', 'v1', 'v2');

const stepArbitrary = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('fill'),
      entry,
      ts,
      bytes: fc.integer({ min: 0, max: 400 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('update'),
      protocol,
      entry,
      changes: fc.uniqueArray(fc.tuple(ts, labels), { selector: ([at]) => at, maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove'), protocol, entry, times }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('rename'), entry, to: fc.constantFrom('c', 'd') }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart') }) },
);

type QuotaStep = typeof stepArbitrary extends fc.Arbitrary<infer T> ? T : never;
type Fill = Extract<QuotaStep, { kind: 'fill' }>;

async function sizeOf(api: Api): Promise<number> {
  return JSON.parse((await api.ok('GET', `/b/${BUCKET}`)).text).info.size;
}

/** The entry that has the oldest record: the only one that may lose any as long as it has. */
function victimOf({ model }: Subject): string | undefined {
  const oldest = [...model.entries.keys()]
    .map((name) => ({ name, ts: model.times(name)[0] }))
    .filter((found): found is { name: string; ts: bigint } => found.ts !== undefined)
    .toSorted((left, right) => (left.ts < right.ts ? -1 : 1));
  const [first, second] = oldest;
  // Of two with one timestamp either may be taken.
  return first?.ts === second?.ts ? undefined : first?.name;
}

/** One record, and what had to go for it. */
async function fill(subject: Subject, { entry: name, ts: at, bytes }: Fill): Promise<void> {
  const { model, instance } = subject;
  const { api } = instance;
  const before = await sizeOf(api);
  const isFull = before + bytes > QUOTA_BYTES;
  const victim = victimOf(subject);
  const payload = `${name}@${at}`.padEnd(bytes, '.').slice(0, bytes);
  const wasThere = model.entries.get(name)?.has(at) === true;
  const written = await api.write(BUCKET, name, {
    ts: at,
    payload: Buffer.from(payload),
    labels: {},
  });

  const gone = new Map<string, bigint[]>();
  for (const known of model.entries.keys()) {
    const left = new Set((await api.readAll(BUCKET, known)).map((record) => record.ts));
    const lost = model.times(known).filter((old) => !left.has(old));
    if (lost.length > 0) gone.set(known, lost);
    for (const old of lost) model.remove(known, old);
  }
  expect(gone.size > 0, `${before} and ${bytes} bytes`).toBe(isFull);
  if (gone.size > 0 && victim !== undefined) expect([...gone.keys()]).toContain(victim);
  // The record in the way may have been given up for this one.
  const isInTheWay = wasThere && gone.get(name)?.includes(at) !== true;
  expect(written.status).toBe(isInTheWay ? 409 : 200);
  if (!isInTheWay) model.write(name, at, { payload, labels: {} });
  expect(await sizeOf(api)).toBeLessThanOrEqual(QUOTA_BYTES + METADATA_BYTES);
}

/** On a slow machine fewer histories are tried. */
const MAX_MS = 60_000;

test(
  'a FIFO quota gives up records of the entry with the oldest, only when it must, and nothing else',
  { timeout: 300_000 },
  async () => {
    const endMs = performance.now() + MAX_MS;
    await fc.assert(
      fc.asyncProperty(
        fc.array(stepArbitrary, { minLength: 10, maxLength: 40 }),
        fc.integer({ min: 1, max: 6 }),
        async (steps, blockRecords) => {
          if (performance.now() > endMs) return;
          await withTempDir(async (path) => {
            const instance = await startInstance(path);
            const subject: Subject = { instance, bucket: BUCKET, model: new BucketModel() };
            try {
              const settings = {
                quota_type: 'FIFO',
                quota_size: QUOTA_BYTES,
                max_block_records: blockRecords,
              };
              await instance.api.ok('POST', `/b/${BUCKET}`, {}, JSON.stringify(settings));
              for (const step of steps) {
                if (step.kind === 'fill') await fill(subject, step);
                else await doStep(subject, step);
              }
              await compare(subject);
              await restart(subject);
              await compare(subject);
            } finally {
              await subject.instance.stop();
            }
          });
        },
      ),
      { numRuns: 6 },
    );
  },
);
