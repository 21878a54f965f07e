import { atMost, spreadFigure, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { batchShape, BATCH_RECORDS } from '../lib/shapes.ts';
import { spreadOf } from '../lib/stats.ts';
import { settle } from '../lib/wait.ts';

const BUCKET = 'bench';
const PAYLOAD_BYTES = 256;
const RECORDS = 5_000_000;
const QUICK_RECORDS = 400_000;
const GOAL_S = 2;
const OPENINGS = 5;

export const opening: Row = {
  id: 'opening',
  title: 'opening a store with 5 000 000 records',
  inQuick: true,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings, driver, progress } = context;
  const empty = await Server.withBucket(scope, BUCKET, { durability: 'os' });
  const full = await Server.withBucket(scope, BUCKET, { durability: 'os' });
  progress('writing');
  const records = settings.quick ? QUICK_RECORDS : RECORDS;
  await driver.run({
    generator: 'sockets',
    target: full.target(BUCKET),
    shape: batchShape(settings, PAYLOAD_BYTES),
    warmupMs: 0,
    measureMs: 0,
    requests: records / BATCH_RECORDS,
    watchedPids: [],
  });
  await settle([full.pid]);
  await full.kill();
  const afterKillS = (await full.spawn()) / 1000;
  const emptyS: number[] = [];
  const fullS: number[] = [];
  for (let index = 0; index < (settings.quick ? 1 : OPENINGS); index++) {
    progress(`opening ${index + 1}`);
    emptyS.push(await restart(empty));
    fullS.push(await restart(full));
  }
  const stored = await full.admin.recordCount(BUCKET);
  if (stored !== records) throw new Error(`${stored} of ${records} records after the restarts`);
  const beyondEmptyS = fullS.map((seconds, index) => seconds - (emptyS[index] ?? Number.NaN));
  return {
    figures: [
      spreadFigure('from the start of the process to /ready', 's', spreadOf(fullS), atMost(GOAL_S)),
      { label: 'the same after SIGKILL', value: afterKillS, unit: 's', goal: atMost(GOAL_S) },
      spreadFigure('the same with an empty store', 's', spreadOf(emptyS)),
      spreadFigure('difference', 's', spreadOf(beyondEmptyS)),
    ],
    notes: [`${records} records of ${PAYLOAD_BYTES} B; the files are in the page cache`],
    raw: { emptyS, fullS, afterKillS },
  };
}

/** After an orderly stop. Returns seconds from the spawn to the first 200 of `/ready`. */
async function restart(server: Server): Promise<number> {
  await server.stop();
  return (await server.spawn()) / 1000;
}
