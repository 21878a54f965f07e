import stringWidth from 'string-width';

/** A Markdown table, columns as wide as their widest cell on a terminal (replication §9.4). One text, no last line end. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const cells = [head, ...rows].map((row) => row.map(cellText));
  const widths = head.map((_, column) =>
    Math.max(...cells.map((row) => stringWidth(row[column] ?? ''))),
  );
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, column) => padCell(row[column] ?? '', width)).join(' | ')} |`;
  const [headCells = [], ...others] = cells;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [line(headCells), rule, ...others.map(line)].join('\n');
}

/** Columns of equal lines without borders, `gap` blanks apart; a cell may have several lines. */
export function grid(rows: readonly (readonly string[])[], gap: number = 2): string {
  const cells = rows.map((row) => row.map((cell) => cell.split('\n')));
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(0, ...cells.flatMap((row) => (row[column] ?? []).map((line) => stringWidth(line)))),
  );
  const lines = cells.flatMap((row) => {
    const height = Math.max(...row.map((cell) => cell.length));
    return Array.from({ length: height }, (_, at) =>
      widths
        .map((width, column) => padCell(row[column]?.[at] ?? '', width))
        .join(' '.repeat(gap))
        .trimEnd(),
    );
  });
  return lines.join('\n');
}

function padCell(text: string, width: number): string {
  return text + ' '.repeat(width - stringWidth(text));
}

/** A line end or a bar inside of a cell would end it. */
function cellText(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ').replace(/\|/g, '\\|');
}
