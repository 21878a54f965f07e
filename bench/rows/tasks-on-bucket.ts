/** What replication tasks on a bucket cost its writers. */
import { freePort } from '../lib/free-port.ts';
import {
  cpuRatio,
  describeArm,
  ingestRounds,
  throughputRatio,
  type Arm,
} from '../lib/ingest-rounds.ts';
import { ABSENT_ENGINE_STATUS } from '../lib/labels.ts';
import { NullSink } from '../lib/null-sink.ts';
import { profileServer } from '../lib/profile.ts';
import {
  atLeast,
  spreadFigure,
  type Figure,
  type Row,
  type RowContext,
  type RowResult,
} from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { singleShape } from '../lib/shapes.ts';
import { spreadOf } from '../lib/stats.ts';
import { until } from '../lib/wait.ts';

type Prepare = (server: Server, bucket: string) => Promise<void>;

/** An arm with tasks. */
interface Variant {
  readonly name: string;
  readonly goal: number;
  readonly prepare: Prepare;
  readonly afterWindow?: (server: Server) => Promise<void>;
  readonly settlePids?: readonly number[];
}

const BUCKET = 'bench';
const PAYLOAD_BYTES = 256;
const DRAIN_TIMEOUT_MS = 120_000;

export const pausedTasks: Row = {
  id: 'paused-tasks',
  title: 'ingest with paused tasks on the bucket, against none',
  inQuick: false,
  run: async (context) => {
    const port = await freePort();
    return compare(context, [
      { name: '1 paused task', goal: 0.95, prepare: pausedTasksTo(port, 1) },
      { name: '16 paused tasks', goal: 0.93, prepare: pausedTasksTo(port, 16) },
    ]);
  },
};

export const unmatchedTasks: Row = {
  id: 'unmatched-tasks',
  title: 'ingest with 16 enabled tasks whose filters match nothing, against none',
  inQuick: false,
  run: async (context) => {
    const sink = await NullSink.start(context.scope);
    return compare(context, [
      {
        name: '16 unmatched tasks',
        goal: 0.7,
        prepare: (server, bucket) => createUnmatchedTasks(server, bucket, sink),
        settlePids: [sink.pid],
      },
    ]);
  },
};

export const deliveringTask: Row = {
  id: 'delivering-task',
  title: 'ingest while one task delivers everything to a sink in another process, against none',
  inQuick: false,
  run: async (context) => {
    const sink = await NullSink.start(context.scope);
    const backlogs: number[] = [];
    const result = await compare(context, [
      {
        name: '1 delivering task',
        goal: 0.5,
        prepare: (server, bucket) => createDeliveringTask(server, bucket, sink),
        settlePids: [sink.pid],
        afterWindow: async (server) => {
          backlogs.push(await server.admin.pendingRecords('deliver'));
          await until(
            'The delivery of all records',
            async () => (await server.admin.pendingRecords('deliver')) === 0,
            DRAIN_TIMEOUT_MS,
          );
        },
      },
    ]);
    const { median, high } = spreadOf(backlogs);
    const note = `records not yet delivered at the end of a window: median ${median}, most ${high}`;
    return { ...result, notes: [...result.notes, note], raw: { arms: result.raw, backlogs } };
  },
};

/** Nobody listens there: a paused task only probes. */
function pausedTasksTo(port: number, tasks: number): Prepare {
  return async (server, bucket) => {
    for (let task = 0; task < tasks; task++) {
      await server.admin.createTask(`paused-${task}`, bucket, {
        dstHost: `http://127.0.0.1:${port}`,
        dstToken: '',
        dstBucket: 'sink',
        mode: 'paused',
      });
    }
  };
}

/** Sixteen different filters, so that sharing one evaluation is not enough. */
async function createUnmatchedTasks(server: Server, bucket: string, sink: NullSink): Promise<void> {
  for (let task = 0; task < 16; task++) {
    await server.admin.createTask(`unmatched-${task}`, bucket, {
      dstHost: sink.url,
      dstToken: '',
      dstBucket: 'sink',
      mode: 'enabled',
      include: { engine_status: `${ABSENT_ENGINE_STATUS}-${task}` },
    });
  }
}

async function createDeliveringTask(server: Server, bucket: string, sink: NullSink): Promise<void> {
  await server.admin.createTask('deliver', bucket, {
    dstHost: sink.url,
    dstToken: '',
    dstBucket: 'sink',
    mode: 'enabled',
  });
}

async function compare(context: RowContext, variants: readonly Variant[]): Promise<RowResult> {
  const { scope, settings } = context;
  const shape = singleShape(settings, PAYLOAD_BYTES);
  const none = await Server.withBucket(scope, BUCKET, { durability: 'os' });
  const arms: Arm[] = [{ name: 'no task', target: none.target(BUCKET), pid: none.pid, shape }];
  for (const { name, prepare, afterWindow, settlePids } of variants) {
    const server = await Server.withBucket(scope, BUCKET, { durability: 'os' });
    await prepare(server, BUCKET);
    const arm = { name, target: server.target(BUCKET), pid: server.pid, shape };
    arms.push({
      ...arm,
      ...(settlePids === undefined ? {} : { settlePids }),
      ...(afterWindow === undefined ? {} : { afterWindow: () => afterWindow(server) }),
    });
  }
  // The sockets leave the server the limit; behind autocannon tasks would look free.
  const results = await ingestRounds(context, 'sockets', arms);
  const [reference, ...candidates] = results;
  if (reference === undefined) throw new Error('no arm without tasks');
  const figures: Figure[] = candidates.flatMap((candidate, index) => [
    spreadFigure(
      `${candidate.name}: throughput`,
      'x',
      throughputRatio(candidate, reference),
      atLeast(variants[index]?.goal ?? Number.NaN),
    ),
    spreadFigure(`${candidate.name}: CPU per record`, 'x', cpuRatio(candidate, reference)),
  ]);
  const last = variants.at(-1);
  return {
    figures,
    notes: results.map(describeArm),
    raw: results,
    explain: () =>
      profileServer(context, {
        durability: 'os',
        shape,
        ...(last === undefined ? {} : { prepare: last.prepare }),
      }),
  };
}
