/** The table of variables as text: for `--help`, and as the generated sections of `docs/configuration.md`. */
import { UNSUPPORTED_VARIABLES } from './environment-names.ts';
import { acceptedText, notation } from './kinds.ts';
import type { OptionSpec } from './kinds.ts';
import { OPTION_ROWS } from './options.ts';

const HELP_COLUMNS = 100;
const HELP_INDENT = 4;

/** Markdown tables that stand between `<!-- begin NAME -->` and `<!-- end NAME -->` in the documentation. */
export interface GeneratedSections {
  readonly variables: string;
  readonly unsupported: string;
}

function groups(): ReadonlyMap<string, readonly OptionSpec[]> {
  const byTitle = new Map<string, OptionSpec[]>();
  for (const [, spec] of OPTION_ROWS) {
    const group = byTitle.get(spec.group);
    if (group === undefined) byTitle.set(spec.group, [spec]);
    else group.push(spec);
  }
  return byTitle;
}

function defaultText(spec: OptionSpec): string {
  if (spec.derived !== undefined) return spec.derived;
  return spec.default === undefined || spec.default === '' ? 'none' : spec.default;
}

/** All variables with what they accept and their defaults, by group, wrapped for a terminal of 100 columns. */
export function describeConfig(): string {
  const sections = [...groups()].map(([title, specs]) => {
    const options = specs.map((spec) => {
      const facts = `Accepts ${acceptedText(spec)}. Default: ${defaultText(spec)}.`;
      return `  ${spec.env}\n${wrap(spec.description)}\n${wrap(facts)}`;
    });
    return `${title}:\n${options.join('\n')}`;
  });
  const notes = `Sizes: ${notation('size')}.\nDurations: ${notation('duration')}.`;
  return `${[...sections, notes].join('\n\n')}\n`;
}

function wrap(text: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && HELP_INDENT + line.length + 1 + word.length > HELP_COLUMNS) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map((part) => ' '.repeat(HELP_INDENT) + part).join('\n');
}

/** The tables of `docs/configuration.md`, in the form the formatter leaves as it is. */
export function markdownSections(): GeneratedSections {
  const variables = [...groups()].map(([title, specs]) => {
    const rows = specs.map((spec) => [
      `\`${spec.env}\``,
      spec.description,
      acceptedText(spec),
      defaultText(spec),
    ]);
    return `### ${title}\n\n${documentTable([['Variable', 'Meaning', 'Accepts', 'Default'], ...rows])}`;
  });
  const unsupported = UNSUPPORTED_VARIABLES.map(({ names, consequence }) => [
    names.replace(/[^, ]+/g, '`$&`'),
    consequence,
  ]);
  return {
    variables: variables.join('\n\n'),
    unsupported: documentTable([['Variables', 'What follows'], ...unsupported]),
  };
}

/** A Markdown table; `rows` with the head first. Columns are padded to their widest cell, as the formatter does. */
export function documentTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}
