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

/** Cells that are cut to make room keep so much. */
const MIN_CUT_COLUMNS = 10;

/**
 * Cuts cells so that the lines of a table fit into `columns`, as far as that goes.
 * @param cut the columns whose texts may be cut, the one that is cut first in front.
 */
export function fitRows(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number,
  cut: readonly number[],
): readonly (readonly string[])[] {
  const limits = head.map((title, column) =>
    Math.max(...[title, ...rows.map((row) => row[column] ?? '')].map((cell) => stringWidth(cell))),
  );
  let excess = limits.reduce((sum, width) => sum + width + 3, 1) - columns;
  for (const column of cut) {
    const width = limits[column] ?? 0;
    const less = Math.max(0, Math.min(excess, width - MIN_CUT_COLUMNS));
    limits[column] = width - less;
    excess -= less;
  }
  return rows.map((row) => row.map((cell, column) => cutText(cell, limits[column] ?? 0)));
}

/** The text, or its beginning with an ellipsis when it is wider than `columns`. */
export function cutText(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let kept = '';
  for (const character of text) {
    if (stringWidth(kept + character) >= columns) break;
    kept += character;
  }
  return `${kept}…`;
}

function padCell(text: string, width: number): string {
  return text + ' '.repeat(width - stringWidth(text));
}

/** A line end or a bar inside of a cell would end it. */
function cellText(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ').replace(/\|/g, '\\|');
}
