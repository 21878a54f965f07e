import { afterEach, beforeEach, expect, test } from 'vitest';
import { REPLICATE_WORKER_URL } from '../../src/app/worker-urls.ts';
import { DEFAULT_WORKER_OPTIONS } from '../../src/replication/worker-options.ts';
import { newReplicationPool } from '../../src/replication/worker-pool.ts';
import { EngineFixture, until } from '../lib/engine-fixture.ts';
import { FakeTarget } from '../lib/fake-target.ts';

let fixture: EngineFixture;
let target: FakeTarget;
const threadErrors: Error[] = [];

beforeEach(async () => {
  threadErrors.length = 0;
  fixture = await EngineFixture.open({}, {}, (log) =>
    newReplicationPool({
      databaseHandle: log.db.handle,
      ring: log.ring.buffer,
      workerUrl: REPLICATE_WORKER_URL,
      threads: 2,
      // Whatever waited for a silent target would take longer than a test may.
      worker: { ...DEFAULT_WORKER_OPTIONS, noProgressTimeoutMs: 600_000 },
      onThreadError: (error) => threadErrors.push(error),
    }),
  );
  target = new FakeTarget();
  await target.start();
});

afterEach(async () => {
  await fixture.close();
  await target.stop();
});

async function untilStored(count: number, place = 'dst/e'): Promise<void> {
  await until(() => target.recordsOf(place).length >= count);
}

test('threads deliver what is committed, and a stopped engine leaves none behind', async () => {
  await fixture.create('t', target.url, { each_n: 2 });
  for (let ts = 0; ts < 200; ts++) fixture.write('e', [ts]);
  await untilStored(100);
  const stored = target.recordsOf('dst/e').map(({ ts }) => Number(ts));
  expect(stored).toEqual(Array.from({ length: 100 }, (_, at) => at * 2));
  await until(async () => (await fixture.pending('t')) === 0);
});

test('stopping a task in a thread cuts off a silent target at once', async () => {
  target.faultOf = () => ({ kind: 'stall' });
  await fixture.create('t', target.url);
  fixture.write('e', [1]);
  await until(() => target.requests.length === 1);
  await fixture.service.remove('t');
});

test('many tasks whose targets are silent do not keep others waiting', async () => {
  const silent = new FakeTarget();
  await silent.start();
  silent.faultOf = () => ({ kind: 'stall' });
  try {
    for (let i = 0; i < 40; i++) await fixture.create(`silent${i}`, silent.url);
    fixture.write('e', [0]);
    await until(() => silent.requests.length === 40);
    await fixture.create('t', target.url);
    fixture.write('e', [1]);
    await untilStored(1);
    for (let ts = 2; ts < 100; ts++) fixture.write('e', [ts]);
    await untilStored(99);
  } finally {
    await fixture.engine.stop(0);
    await silent.stop();
  }
});
