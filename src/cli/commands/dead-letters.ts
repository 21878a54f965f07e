import type { JsonObject, JsonValue } from '../../wire/json.ts';
import { type AdminClient, withServer } from '../api/admin-client.ts';
import { countMember, flagMember, objectOf, objectsMember, textMember } from '../api/members.ts';
import type { CliCommand } from '../command.ts';
import {
  isConfirmed,
  jsonOption,
  type ListOptions,
  utcOption,
  type YesOption,
  yesOption,
} from '../common-options.ts';
import type { CliContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { prettyJson, toJson } from '../output/json-text.ts';
import { markdownTable } from '../output/table.ts';
import { parseReplica, REPLICA, type Replica, replicaPath } from '../replica-names.ts';
import { formatSize, wholeNumber } from '../sizes.ts';
import { formatTime, type TimeStyle } from '../times.ts';
import { dateText } from '../token-text.ts';

interface ListLettersOptions extends ListOptions {
  readonly entry?: string;
  readonly limit?: number;
}

interface ChoiceOptions extends YesOption {
  readonly entry?: string;
  readonly all?: boolean;
}

const DEFAULT_LIMIT = 100;
/** Most that the server gives at a time (docs/http-extensions.md). */
const PAGE = 1000;

/** `replica deadletters ls|retry|discard`: records that a target refused for good. */
export function addDeadLetterCommands(group: CliCommand, context: CliContext): void {
  const letters = group
    .command('deadletters')
    .description('Records that the target of a task refused for good. Millrace servers only.');
  addList(letters, context);
  addRetry(letters, context);
  addDiscard(letters, context);
}

function addList(letters: CliCommand, context: CliContext): void {
  utcOption(
    jsonOption(letters.command('ls').description('Lists them with the reasons, oldest first.')),
  )
    .parsedArgument('<replica>', REPLICA, parseReplica)
    .option('--entry <entry>', 'only those of this entry')
    .parsedOption('-l, --limit <n>', `at most so many (${DEFAULT_LIMIT})`, wholeNumber(1))
    .example('millrace replica deadletters ls local/my-replication', 'what was refused, and why')
    .action(async ({ server, name }: Replica, options: ListLettersOptions) => {
      const { limit = DEFAULT_LIMIT, entry, json, utc = false } = options;
      const { letters: found, total } = await withServer(context, server, (client) =>
        readLetters(client, name, limit, entry),
      );
      const { output } = context;
      if (json === true) output.line(prettyJson(found));
      else if (found.length > 0) output.line(lettersTable(found, { utc }));
      const left = total - BigInt(found.length);
      if (left > 0n && entry === undefined) output.note(`${left} more; --limit shows them`);
    });
}

interface Letters {
  readonly letters: readonly JsonObject[];
  readonly total: bigint;
}

async function readLetters(
  client: AdminClient,
  name: string,
  limit: number,
  entry: string | undefined,
): Promise<Letters> {
  const letters: JsonObject[] = [];
  const ofEntry = entry === undefined ? '' : `&entry=${encodeURIComponent(entry)}`;
  for (let after = ''; ;) {
    const count = Math.min(PAGE, limit - letters.length);
    const path = `${lettersPath(name)}?limit=${count}${ofEntry}${after}`;
    const page = objectOf(await client.get(path), 'dead letters');
    letters.push(...objectsMember(page, 'dead_letters'));
    const next = countMember(page, 'next');
    if (next === 0n || letters.length >= limit)
      return { letters, total: countMember(page, 'total') };
    after = `&after=${next}`;
  }
}

function lettersTable(letters: readonly JsonObject[], style: TimeStyle): string {
  const head = [
    'Id',
    'Entry',
    'Time',
    'Kind',
    'Status',
    'Size',
    'Refused',
    'Attempts',
    'Queued',
    'At Source',
    'Message',
  ];
  const rows = letters.map((letter) => [
    countMember(letter, 'id').toString(),
    textMember(letter, 'entry'),
    formatTime(countMember(letter, 'ts'), style),
    textMember(letter, 'kind'),
    countMember(letter, 'status').toString(),
    formatSize(countMember(letter, 'size')),
    dateText(textMember(letter, 'refused_at'), style),
    countMember(letter, 'attempts').toString(),
    flagMember(letter, 'queued') ? '✓' : '-',
    flagMember(letter, 'is_at_source') ? '✓' : '-',
    textMember(letter, 'message'),
  ]);
  return markdownTable(head, rows);
}

function addRetry(letters: CliCommand, context: CliContext): void {
  choiceOptions(letters.command('retry').description('Has them sent again, as they are now.'))
    .example(
      'millrace replica deadletters retry local/my-replication --all',
      'after the cause is mended',
    )
    .action(async ({ server, name }: Replica, ids: readonly bigint[], options: ChoiceOptions) => {
      const body = choiceBody(ids, options);
      const answer = await withServer(context, server, (client) =>
        client.json('POST', `${lettersPath(name)}/retry`, body),
      );
      const queued = countMember(objectOf(answer, 'answer'), 'queued');
      context.output.line(`${queued} dead letters of '${name}' will be sent again`);
    });
}

function addDiscard(letters: CliCommand, context: CliContext): void {
  yesOption(
    choiceOptions(
      letters.command('discard').description('Gives them up. The records stay at the source.'),
    ),
  )
    .example(
      'millrace replica deadletters discard local/my-replication --entry cam-1',
      'asks first',
    )
    .action(async ({ server, name }: Replica, ids: readonly bigint[], options: ChoiceOptions) => {
      const body = choiceBody(ids, options);
      if (
        !(await isConfirmed(context, options, `Give up dead letters of replication '${name}'?`))
      ) {
        context.output.line('Nothing discarded');
        return;
      }
      const answer = await withServer(context, server, (client) =>
        client.json('DELETE', lettersPath(name), body),
      );
      const discarded = countMember(objectOf(answer, 'answer'), 'discarded');
      context.output.line(`${discarded} dead letters of '${name}' discarded`);
    });
}

function choiceOptions(command: CliCommand): CliCommand {
  return command
    .parsedArgument('<replica>', REPLICA, parseReplica)
    .parsedArguments('[id...]', 'these, as `ls` shows them', (text) => BigInt(wholeNumber(0)(text)))
    .option('--entry <entry>', 'all of this entry')
    .option('--all', 'all of the task');
}

/** @throws UsageError unless it is exactly one kind of choice. */
function choiceBody(ids: readonly bigint[], { entry, all }: ChoiceOptions): JsonValue {
  const choices = [ids.length > 0, entry !== undefined, all === true].filter(Boolean).length;
  if (choices !== 1) throw new UsageError('Name ids, or --entry, or --all', 'Exactly one of them.');
  if (ids.length > 0) return toJson({ ids });
  return toJson(entry === undefined ? { all: true } : { entry });
}

function lettersPath(name: string): string {
  return `${replicaPath(name)}/dead_letters`;
}
