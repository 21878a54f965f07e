import type { JsonObject } from '../../wire/json.ts';
import { withServer } from '../api/admin-client.ts';
import {
  countMember,
  numberMember,
  objectMember,
  objectOf,
  objectsMember,
  textMember,
} from '../api/members.ts';
import type { CliCommand } from '../command.ts';
import { jsonOption, type ListOptions, utcOption } from '../common-options.ts';
import type { CliContext } from '../context.ts';
import { addEntriesOption, addTimeOptions, type TimeOptions } from '../filter-options.ts';
import { prettyJson, toJson } from '../output/json-text.ts';
import { grid, markdownTable } from '../output/table.ts';
import { parseReplica, REPLICA, type Replica, replicaPath } from '../replica-names.ts';
import { formatSize, wholeNumber } from '../sizes.ts';
import type { TimeStyle } from '../times.ts';
import { dateText } from '../token-text.ts';

interface StartOptions extends TimeOptions, ListOptions {
  readonly entries?: readonly string[];
}

/** `replica backfill start|ls|show|pause|resume|cancel`: records from before a task. */
export function addBackfillCommands(group: CliCommand, context: CliContext): void {
  const backfills = group
    .command('backfill')
    .description(
      'Back-fills: a task sends what its source held before it began. Millrace servers only.',
    );
  addStart(backfills, context);
  addList(backfills, context);
  addShow(backfills, context);
  addChanges(backfills, context);
}

function addStart(backfills: CliCommand, context: CliContext): void {
  const command = backfills
    .command('start')
    .description('Starts one; without options it is everything.');
  addEntriesOption(addTimeOptions(jsonOption(command), context.nowUs(), 'no bound'))
    .parsedArgument('<replica>', REPLICA, parseReplica)
    .example('millrace replica backfill start local/my-replication', 'everything that is there')
    .example(
      "millrace replica backfill start local/my-replication -b now-1d -n 'cam-*'",
      'a day of some entries',
    )
    .action(async ({ server, name }: Replica, { start, stop, entries, json }: StartOptions) => {
      const body = toJson({ start, stop, entries });
      const answer = await withServer(context, server, (client) =>
        client.json('POST', backfillsPath(name), body),
      );
      const id = countMember(objectOf(answer, 'back-fill'), 'id');
      const text = `Back-fill ${id} of '${name}' started`;
      context.output.line(json === true ? prettyJson(answer) : text);
    });
}

function addList(backfills: CliCommand, context: CliContext): void {
  utcOption(jsonOption(backfills.command('ls').description('Lists the back-fills of a task.')))
    .parsedArgument('<replica>', REPLICA, parseReplica)
    .example('millrace replica backfill ls local/my-replication', 'state and progress')
    .action(async ({ server, name }: Replica, { json, utc = false }: ListOptions) => {
      const answer = await withServer(context, server, (client) => client.get(backfillsPath(name)));
      const found = objectsMember(objectOf(answer, 'list of back-fills'), 'backfills');
      if (json === true) context.output.line(prettyJson(found));
      else if (found.length > 0) context.output.line(backfillTable(found, { utc }));
    });
}

function addShow(backfills: CliCommand, context: CliContext): void {
  utcOption(jsonOption(backfills.command('show').description('Shows one back-fill.')))
    .parsedArgument('<replica>', REPLICA, parseReplica)
    .parsedArgument('<id>', 'of the back-fill', wholeNumber(1))
    .example('millrace replica backfill show local/my-replication 1', 'how far it is')
    .action(async ({ server, name }: Replica, id: number, { json, utc = false }: ListOptions) => {
      const answer = await withServer(context, server, (client) =>
        client.get(`${backfillsPath(name)}/${id}`),
      );
      const found = objectOf(answer, 'back-fill');
      context.output.line(json === true ? prettyJson(found) : backfillText(found, { utc }));
    });
}

const CHANGES = [
  ['pause', 'paused', 'Stops sending it for now.'],
  ['resume', 'running', 'Goes on with it.'],
  ['cancel', 'cancelled', 'Ends it; what was sent stays at the target.'],
] as const;

function addChanges(backfills: CliCommand, context: CliContext): void {
  for (const [verb, state, description] of CHANGES) {
    backfills
      .command(verb)
      .description(description)
      .parsedArgument('<replica>', REPLICA, parseReplica)
      .parsedArgument('<id>', 'of the back-fill', wholeNumber(1))
      .example(`millrace replica backfill ${verb} local/my-replication 1`, `state ${state}`)
      .action(async ({ server, name }: Replica, id: number) => {
        const path = `${backfillsPath(name)}/${id}`;
        await withServer(context, server, (client) =>
          verb === 'cancel'
            ? client.send('DELETE', path)
            : client.send('PATCH', path, toJson({ state })),
        );
        context.output.line(`Back-fill ${id} of '${name}' ${state}`);
      });
  }
}

function backfillTable(backfills: readonly JsonObject[], style: TimeStyle): string {
  const head = [
    'Id',
    'State',
    'Records',
    'Bytes',
    'Records/s',
    'Dead Letters',
    'Waiting For',
    'Estimated End',
  ];
  const rows = backfills.map((backfill) => {
    const { records, bytes, rate, waitingFor, end } = facts(backfill, style);
    const letters = countMember(backfill, 'dead_letters').toString();
    const id = countMember(backfill, 'id').toString();
    return [id, textMember(backfill, 'state'), records, bytes, rate, letters, waitingFor, end];
  });
  return markdownTable(head, rows);
}

function backfillText(backfill: JsonObject, style: TimeStyle): string {
  const { records, bytes, rate, waitingFor, end } = facts(backfill, style);
  return grid([
    [`Id: ${countMember(backfill, 'id')}`, `State: ${textMember(backfill, 'state')}`],
    [`Records: ${records}`, `Bytes: ${bytes}`],
    [
      `Sent Records: ${countMember(backfill, 'sent_records')}`,
      `Duplicates: ${countMember(backfill, 'duplicates')}`,
    ],
    [`Dead Letters: ${countMember(backfill, 'dead_letters')}`, `Records/s: ${rate}`],
    [`Waiting For: ${waitingFor}`, `Estimated End: ${end}`],
    [
      `Created: ${dateText(textMember(backfill, 'created_at'), style)}`,
      `Finished: ${dateText(textMember(backfill, 'finished_at'), style)}`,
    ],
    [`Reason: ${textMember(backfill, 'reason', '-')}`],
  ]);
}

interface Facts {
  readonly records: string;
  readonly bytes: string;
  readonly rate: string;
  readonly waitingFor: string;
  readonly end: string;
}

/** Totals are unknown while the index is being read. */
function facts(backfill: JsonObject, style: TimeStyle): Facts {
  const progress = objectMember(backfill, 'progress');
  const isPlanned = (progress.get('total_records') ?? null) !== null;
  const done = countMember(progress, 'done_records');
  const doneSize = formatSize(countMember(progress, 'done_bytes'));
  return {
    records: isPlanned ? `${done}/${countMember(progress, 'total_records')}` : `${done}/?`,
    bytes: isPlanned ? `${doneSize}/${formatSize(countMember(progress, 'total_bytes'))}` : doneSize,
    rate: String(Math.round(numberMember(backfill, 'records_per_second'))),
    waitingFor: textMember(backfill, 'waiting_for', '-'),
    end: dateText(textMember(backfill, 'estimated_end'), style),
  };
}

function backfillsPath(name: string): string {
  return `${replicaPath(name)}/backfills`;
}
