/** `ls` of what a server has: the same for every kind of thing. */
import type { JsonObject } from '../wire/json.ts';
import { withServer } from './api/admin-client.ts';
import { objectOf, objectsMember, textMember } from './api/members.ts';
import type { CliCommand } from './command.ts';
import { fullOption, jsonOption, type ListOptions, utcOption } from './common-options.ts';
import type { CliContext } from './context.ts';
import { prettyJson } from './output/json-text.ts';
import { parseInstance, type ServerResource } from './resource.ts';
import type { TimeStyle } from './times.ts';

export interface Listing {
  readonly description: string;
  /** Of the list, below `api/v1/`. */
  readonly path: string;
  /** Of the answer that holds the list. */
  readonly member: string;
  /** What is printed of the answer: order, and members that nobody may see. */
  readonly rows?: (rows: readonly JsonObject[]) => readonly JsonObject[];
  /** For `--full`. */
  readonly table: (rows: readonly JsonObject[], style: TimeStyle) => string;
  readonly hasTimes: boolean;
  /** Whether `--full` prints the head of an empty table. */
  readonly hasHeadWhenEmpty: boolean;
}

/** Names, one a line; a table with `--full`, the server's answer with `--json`. Examples are for the caller to add. */
export function addListCommand(
  group: CliCommand,
  context: CliContext,
  { description, path, member, rows, table, hasTimes, hasHeadWhenEmpty }: Listing,
): CliCommand {
  const { output } = context;
  const command = jsonOption(fullOption(group.command('ls').description(description)));
  return (hasTimes ? utcOption(command) : command)
    .parsedArgument('<instance>', 'alias of the server, or its URL', parseInstance)
    .action(async ({ server }: ServerResource, { full, json, utc = false }: ListOptions) => {
      const answer = await withServer(context, server, (client) => client.get(path));
      const found = objectsMember(objectOf(answer, `list of ${member}`), member);
      const shown = rows === undefined ? found : rows(found);
      if (json === true) output.line(prettyJson(shown));
      else if (full !== true) for (const row of shown) output.line(textMember(row, 'name'));
      else if (shown.length > 0 || hasHeadWhenEmpty) output.line(table(shown, { utc }));
    });
}
