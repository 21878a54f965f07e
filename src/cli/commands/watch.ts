import { setTimeout as delay } from 'node:timers/promises';
import { ApiError } from '../../errors/errors.ts';
import { type AdminClient, withServer } from '../api/admin-client.ts';
import { objectOf, objectsMember } from '../api/members.ts';
import type { CliCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { describeError, UsageError } from '../errors.ts';
import { stringifyJson } from '../../wire/json.ts';
import { parseInstance, type ServerResource } from '../resource.ts';
import { toJson } from '../output/json-text.ts';
import {
  readTask,
  type TaskLook,
  taskJson,
  type TaskRow,
  toRow,
  watchScreen,
} from '../watch-rows.ts';
import { wholeNumber } from '../sizes.ts';

interface WatchOptions {
  readonly interval: number;
  readonly count?: number;
  readonly json?: boolean;
}

const DEFAULT_INTERVAL_S = 2;
/** Moves the cursor home and clears what is below it; ANSI. */
const REDRAW = '\u001b[H\u001b[J';

/** `watch`: replication tasks as they go on. */
export function addWatchCommand(program: CliCommand, context: CliContext): void {
  program
    .command('watch')
    .description(
      'Shows the replication tasks of a server again and again: state, rate, lag, pending records and the last error. ' +
        'A table on a terminal, else plain lines. Ends with Ctrl-C.',
    )
    .parsedArgument('<instance>', '<alias>, or a URL that ends with a slash', parseInstance)
    .parsedOption('-t, --interval <seconds>', 'between two looks (2)', parseInterval)
    .parsedOption('-c, --count <n>', 'end after so many looks', wholeNumber(1))
    .option('--json', 'one JSON document a line for each task and look')
    .example('millrace watch local', 'all tasks of a server')
    .example('millrace watch local --json --count 1', 'once, for a program')
    .action((instance: ServerResource, { interval, count, json }: Partial<WatchOptions>) =>
      watch(context, instance, {
        interval: interval ?? DEFAULT_INTERVAL_S,
        ...(count === undefined ? {} : { count }),
        json: json ?? false,
      }),
    );
}

function parseInterval(text: string): number {
  const seconds = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && seconds >= 0.1) return seconds;
  throw new UsageError(`'${text}' is no number of seconds from 0.1`);
}

async function watch(
  context: CliContext,
  { server }: ServerResource,
  { interval, count = Number.POSITIVE_INFINITY, json }: WatchOptions,
): Promise<void> {
  const { signal } = context;
  await withServer(context, server, async (client) => {
    let before: ReadonlyMap<string, TaskLook> = new Map();
    for (let look = 1; ; look++) {
      try {
        const now = await lookAt(client);
        const rows = [...now.values()].map((task) => toRow(task, before.get(task.name)));
        show(context, rows, json === true);
        before = now;
      } catch (error) {
        // A server that was there once may come back; nobody else but the user ends a watch.
        const isFinal = error instanceof ApiError && error.status < 500;
        if (look === 1 || signal.aborted || isFinal) throw error;
        context.output.note(`${timeText(context)} ${describeError(error).message}`);
      }
      if (look >= count) return;
      await delay(interval * 1000, undefined, { signal });
    }
  });
}

async function lookAt(client: AdminClient): Promise<ReadonlyMap<string, TaskLook>> {
  const list = objectOf(await client.get('replications?ext=1'), 'list of tasks');
  const tasks = new Map<string, TaskLook>();
  for (const item of objectsMember(list, 'replications')) {
    const task = await readTask(client, item, performance.now());
    tasks.set(task.name, task);
  }
  return tasks;
}

function show(context: CliContext, rows: readonly TaskRow[], isJson: boolean): void {
  const { output } = context;
  const atUs = context.nowUs();
  if (isJson) {
    for (const row of rows) output.line(stringifyJson(toJson({ at: atUs, ...taskJson(row) })));
    return;
  }
  if (output.isTerminal) {
    output.raw(REDRAW);
    output.line(watchScreen(rows, output));
    return;
  }
  const time = timeText(context);
  if (rows.length === 0) output.line(`${time} no tasks`);
  for (const { name, state, rate, lag, pending, lastError } of rows) {
    const error = lastError === '' ? '' : ` error: ${lastError}`;
    output.line(`${time} ${name} ${state} rate=${rate} lag=${lag} pending=${pending}${error}`);
  }
}

function timeText({ nowUs }: CliContext): string {
  return new Date(Number(nowUs() / 1000n)).toISOString();
}
