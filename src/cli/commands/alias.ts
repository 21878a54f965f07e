import { readFileSync } from 'node:fs';
import type { CliCommand } from '../command.ts';
import { type Alias, DEFAULT_PARALLEL, DEFAULT_TIMEOUT_S } from '../config/alias-file.ts';
import type { CliContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { type Plain, prettyJson, toJson } from '../output/json-text.ts';
import { parseInstance, type UrlRef } from '../resource.ts';

const STANDARD_INPUT = 0;

interface AddOptions {
  readonly url: UrlRef;
  readonly token?: string;
}

interface JsonOption {
  readonly json?: boolean;
}

/** `alias add|ls|show|rm`: names of instances. Tokens are never printed. */
export function addAliasCommands(program: CliCommand, context: CliContext): void {
  const { output } = context;
  const group = program
    .command('alias')
    .description('Names for servers with their URLs and tokens, kept in ~/.millrace/config.toml.');

  group
    .command('add')
    .description('Adds a name for a server. The global options are kept with it.')
    .parsedArgument('<name>', 'of the server, as commands will call it', parseAliasName)
    .requiredParsedOption('-L, --url <url>', 'http or https, with an optional base path', parseUrl)
    .option('-t, --token <token>', "that requests carry; '-' reads it from standard input")
    .example('millrace alias add local --url http://localhost:8383 --token $TOKEN', 'a server')
    .example('pass show edge | millrace alias add edge -L https://10.0.0.5 -t -', 'token unseen')
    .example('millrace alias add edge -L https://10.0.0.5 --ca-cert ca.pem -T 5', 'with settings')
    .action((name: string, options: AddOptions) => {
      context.aliases.add(name, toAlias(options, context));
      warnOfPermissions(context);
    });

  group
    .command('ls')
    .description('Lists the names and where they point.')
    .option('--json', 'as JSON')
    .example('millrace alias ls', 'all servers that have a name')
    .action(({ json }: JsonOption) => {
      warnOfPermissions(context);
      const aliases = [...context.aliases.aliases()];
      if (json === true) output.line(prettyJson(toJson(aliases.map(describe))));
      else for (const [name, { url }] of aliases) output.line(`${name}: ${url}`);
    });

  group
    .command('show')
    .description('Shows one name with its settings; of the token only whether there is one.')
    .argument('<alias>', 'name of the server')
    .option('--json', 'as JSON')
    .example('millrace alias show local', 'URL and settings')
    .action((name: string, { json }: JsonOption) => {
      warnOfPermissions(context);
      const alias = context.aliases.get(name);
      output.line(
        json === true ? prettyJson(toJson(describe([name, alias]))) : aliasText(name, alias),
      );
    });

  group
    .command('rm')
    .description('Forgets a name. The server is not touched.')
    .argument('<alias>', 'name of the server')
    .example('millrace alias rm local', 'the name is free again')
    .action((name: string) => {
      context.aliases.remove(name);
    });
}

function parseAliasName(text: string): string {
  if (/^[^\s./:@*][^\s/:@*]*$/.test(text)) return text;
  throw new UsageError(
    `'${text}' is no name: blanks and / : @ * are not allowed, nor a dot in front`,
  );
}

function parseUrl(text: string): UrlRef {
  const { server } = parseInstance(text.endsWith('/') ? text : `${text}/`);
  if (server.kind === 'url') return server;
  throw new UsageError(`'${text}' is no URL`, 'It begins with http:// or https://.');
}

function toAlias({ url, token }: AddOptions, { globals }: CliContext): Alias {
  const { ignoreSsl = false, caCert, timeoutMs, parallel = DEFAULT_PARALLEL } = globals;
  const timeoutS = timeoutMs === undefined ? DEFAULT_TIMEOUT_S : timeoutMs / 1000;
  const ownToken = token === '-' ? readStandardInput() : (token ?? url.token ?? '');
  return { url: url.url, token: ownToken, ignoreSsl, timeoutS, parallel, caCert };
}

function warnOfPermissions({ aliases, output }: CliContext): void {
  const warning = aliases.permissionWarning();
  if (warning !== undefined) output.note(warning);
}

function describe([name, alias]: readonly [string, Alias]): Plain {
  const { url, token, ignoreSsl, timeoutS, parallel, caCert } = alias;
  return {
    name,
    url,
    has_token: token !== '',
    ignore_ssl: ignoreSsl,
    timeout: timeoutS,
    parallel,
    ca_cert: caCert,
  };
}

function aliasText(
  name: string,
  { url, token, ignoreSsl, timeoutS, parallel, caCert }: Alias,
): string {
  return [
    `Name:       ${name}`,
    `URL:        ${url}`,
    `Token:      ${token === '' ? 'none' : 'set'}`,
    `Ignore SSL: ${ignoreSsl ? 'yes' : 'no'}`,
    `CA:         ${caCert ?? 'of the system'}`,
    `Timeout:    ${timeoutS} s`,
    `Parallel:   ${parallel}`,
  ].join('\n');
}

/** A token that neither the shell's history nor the list of processes gets to see. */
function readStandardInput(): string {
  return readFileSync(STANDARD_INPUT, 'utf8').trim();
}
