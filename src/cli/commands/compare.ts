import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError } from '../../errors/errors.ts';
import type { JsonObject } from '../../wire/json.ts';
import { AdminClient, withServer } from '../api/admin-client.ts';
import { countMember, objectMember, objectOf, textMember } from '../api/members.ts';
import type { CliCommand } from '../command.ts';
import { jsonOption, type ListOptions, utcOption } from '../common-options.ts';
import { compareText, differencesLeft } from '../compare-text.ts';
import type { CliContext } from '../context.ts';
import { CliError, EXIT_FAILURE } from '../errors.ts';
import { addTimeOptions, type TimeOptions } from '../filter-options.ts';
import { prettyJson, toJson } from '../output/json-text.ts';
import { parseReplica, REPLICA, type Replica, replicaPath } from '../replica-names.ts';

interface CompareOptions extends TimeOptions, ListOptions {
  readonly hashes?: boolean;
  readonly repair?: boolean;
  readonly last?: boolean;
}

/** Between two looks at a comparison that runs. */
const POLL_MS = 250;
/** For ending a comparison after Ctrl-C. */
const CANCEL_TIMEOUT_MS = 5_000;

/** `replica compare`: what the target of a task has of what it should have. Millrace servers only. */
export function addCompareCommand(group: CliCommand, context: CliContext): void {
  const command = group
    .command('compare')
    .description(
      'Compares what a task should have delivered with what its target has, and waits for the result. ' +
        'Exit code 1 when differences are left. Ctrl-C ends the comparison. Millrace servers only.',
    );
  utcOption(jsonOption(addTimeOptions(command, context.nowUs(), 'no bound')))
    .parsedArgument('<replica>', REPLICA, parseReplica)
    .option('--hashes', 'compare contents, too, and not only sizes and labels')
    .option('--repair', 'send what is missing, and set labels; nothing is overwritten or removed')
    .option('--last', 'show the last comparison instead of starting one')
    .example('millrace replica compare local/my-replication', 'whether everything arrived')
    .example(
      'millrace replica compare local/my-replication -b now-1d --repair',
      'and send what did not',
    )
    .action(async ({ server, name }: Replica, options: CompareOptions) => {
      const result = await withServer(context, server, (client) =>
        options.last === true ? lastResult(client, name) : compare(context, client, name, options),
      );
      const { json, utc = false } = options;
      context.output.line(json === true ? prettyJson(result) : compareText(result, { utc }));
      const state = textMember(result, 'state');
      if (state === 'failed') throw new CliError(`Not compared: ${textMember(result, 'error')}`);
      if (state !== 'done' || differencesLeft(result) > 0n) context.exitCode = EXIT_FAILURE;
    });
}

async function compare(
  context: CliContext,
  client: AdminClient,
  name: string,
  { start, stop, hashes, repair }: CompareOptions,
): Promise<JsonObject> {
  try {
    await client.json('POST', comparePath(name), toJson({ start, stop, hashes, repair }));
    return await endResult(context, client, name);
  } catch (error) {
    if (context.signal.aborted) await cancel(client, name);
    throw error;
  } finally {
    context.output.status('');
  }
}

async function lastResult(client: AdminClient, name: string): Promise<JsonObject> {
  return objectOf(await client.get(comparePath(name)), 'comparison');
}

/** Waits for the end of a comparison. */
async function endResult(
  context: CliContext,
  client: AdminClient,
  name: string,
): Promise<JsonObject> {
  for (;;) {
    const found = await lastResult(client, name);
    if (textMember(found, 'state') !== 'running') return found;
    context.output.status(progressText(found));
    await sleep(POLL_MS, undefined, { signal: context.signal });
  }
}

const NOT_FOUND = 404;
const CONFLICT = 409;

/** With a client of its own: the interrupted one sends nothing any more. */
async function cancel({ server }: AdminClient, name: string): Promise<void> {
  const client = new AdminClient(server, AbortSignal.timeout(CANCEL_TIMEOUT_MS));
  try {
    await client.send('DELETE', comparePath(name));
  } catch (error) {
    // It had not begun, or has ended by itself.
    const hasEnded =
      error instanceof ApiError && (error.status === NOT_FOUND || error.status === CONFLICT);
    if (!hasEnded) throw error;
  } finally {
    await client.close();
  }
}

function progressText(comparison: JsonObject): string {
  const progress = objectMember(comparison, 'progress');
  const totals = objectMember(comparison, 'totals');
  const entries = `${countMember(progress, 'entries_done')}/${countMember(progress, 'entries_total')} entries`;
  return `${entries}, ${countMember(totals, 'source_records')} records compared`;
}

function comparePath(name: string): string {
  return `${replicaPath(name)}/compare`;
}
