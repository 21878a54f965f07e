import { type AdminClient, withServer } from '../api/admin-client.ts';
import { countMember, objectMember, objectOf, textMember } from '../api/members.ts';
import type { CliCommand } from '../command.ts';
import { jsonOption, type ListOptions } from '../common-options.ts';
import type { CliContext } from '../context.ts';
import { prettyJson } from '../output/json-text.ts';
import { parseInstance, type ServerResource } from '../resource.ts';
import { formatSeconds, formatSize } from '../sizes.ts';
import type { JsonObject, JsonValue } from '../../wire/json.ts';

const INSTANCE = 'alias of the server, or its URL';

/** `server alive|status|license`. */
export function addServerCommands(program: CliCommand, context: CliContext): void {
  const group = program.command('server').description('How a server is.');

  group
    .command('alive')
    .description('Asks whether the server answers: exit code 0, otherwise 1.')
    .parsedArgument('<instance>', INSTANCE, parseInstance)
    .example('millrace server alive local', 'for scripts')
    .action(async ({ server }: ServerResource) => {
      await withServer(context, server, (client) => client.send('GET', 'alive'));
    });

  jsonOption(group.command('status').description('Shows version, uptime and licence.'))
    .parsedArgument('<instance>', INSTANCE, parseInstance)
    .example('millrace server status local', 'version and uptime')
    .action((resource: ServerResource, options: ListOptions) =>
      printInfo(context, resource, options, (info) => info, statusText),
    );

  jsonOption(group.command('license').description('Shows the licence of the server.'))
    .parsedArgument('<instance>', INSTANCE, parseInstance)
    .example('millrace server license local', 'who may use it and how much')
    .action((resource: ServerResource, options: ListOptions) =>
      printInfo(context, resource, options, (info) => info.get('license') ?? null, licenseText),
    );
}

async function printInfo(
  context: CliContext,
  { server }: ServerResource,
  { json }: ListOptions,
  part: (info: JsonObject) => JsonValue,
  describe: (info: JsonObject) => string,
): Promise<void> {
  const read = async (client: AdminClient): Promise<JsonValue> => client.get('info');
  const info = objectOf(await withServer(context, server, read), 'information');
  context.output.line(json === true ? prettyJson(part(info)) : describe(info));
}

/** To the letter of replication §9.3. */
function statusText(info: JsonObject): string {
  return [
    'Status: \tOk ✅',
    `Version:\t${textMember(info, 'version', 'unknown')}`,
    `Uptime: \t${formatSeconds(countMember(info, 'uptime'))}`,
    `License:\t${textMember(objectMember(info, 'license'), 'plan', 'none')}`,
  ].join('\n');
}

function licenseText(info: JsonObject): string {
  const license = objectMember(info, 'license');
  if (license.size === 0) return 'License:\tnone';
  return [
    `Licensee:\t${textMember(license, 'licensee')}`,
    `Invoice:\t${textMember(license, 'invoice')}`,
    `Expiry Date:\t${textMember(license, 'expiry_date')}`,
    `Plan:\t\t${textMember(license, 'plan')}`,
    `Devices:\t${countMember(license, 'device_number')}`,
    `Disk Quota:\t${formatSize(countMember(license, 'disk_quota'))}`,
    `Fingerprint:\t${textMember(license, 'fingerprint')}`,
  ].join('\n');
}
