/** The commands as the generated section of `docs/cli.md`. */
import type { Argument, Command, Option } from 'commander';
import { documentTable } from '../config/help.ts';
import { CliCommand, type Example } from './command.ts';

/** Every command with its arguments, options and examples, in the order of the help. */
export function commandReference(program: Command): string {
  const globals = `### Global options\n\nBefore or behind the command's name.\n\n${optionTable(optionsOf(program))}`;
  return [globals, ...program.createHelp().visibleCommands(program).flatMap(nounSections)].join(
    '\n\n',
  );
}

function nounSections(command: Command): readonly string[] {
  const children = command.createHelp().visibleCommands(command);
  if (children.length === 0)
    return command.name() === 'help' ? [] : [commandSection(command, '###')];
  const aliases = command.aliases().map((alias) => `, also \`millrace ${alias}\``);
  const heading = `### \`millrace ${command.name()}\`${aliases.join('')}\n\n${command.description()}`;
  return [heading, ...children.map((child) => commandSection(child, '####'))];
}

function commandSection(command: Command, level: string): string {
  const parts = [`${level} \`${usageOf(command)}\``, command.description()];
  const described = command.registeredArguments.filter(({ description }) => description !== '');
  if (described.length > 0) parts.push(argumentTable(described));
  const options = optionsOf(command);
  if (options.length > 0) parts.push(optionTable(options));
  if (command instanceof CliCommand && command.examples.length > 0) {
    parts.push(exampleBlock(command.examples));
  }
  return parts.join('\n\n');
}

/** `millrace replica create [options] <replica> …`: the whole path. */
function usageOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name());
  return `${names.join(' ')} ${command.usage()}`.trim();
}

function argumentTable(declared: readonly Argument[]): string {
  const rows = declared.map((one) => [`\`${one.name()}\``, cell(one.description)]);
  return documentTable([['Argument', 'Meaning'], ...rows]);
}

function optionTable(options: readonly Option[]): string {
  const rows = options.map((option) => [`\`${option.flags}\``, cell(optionText(option))]);
  return documentTable([['Option', 'Meaning'], ...rows]);
}

function optionText({ description, argChoices, defaultValue }: Option): string {
  const choices = argChoices === undefined ? '' : `: ${argChoices.join(', ')}`;
  const byDefault = defaultValue === undefined ? '' : ` (default: ${String(defaultValue)})`;
  return `${description}${choices}${byDefault}`;
}

function exampleBlock(examples: readonly Example[]): string {
  const lines = examples.map(({ line, does }) => `# ${does}\n${line}`);
  return `\`\`\`sh\n${lines.join('\n')}\n\`\`\``;
}

/** Every command has help. */
function optionsOf(command: Command): readonly Option[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .filter(({ long }) => long !== '--help');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('*', '\\*').replaceAll('<', '\\<');
}
