import { ConfigError } from '../errors/errors.ts';

/** The column of a CSV file that was taken as the signal. */
export interface CsvColumn {
  /** From the header line, or `column <n>` counted from 1. */
  readonly name: string;
  readonly samples: Float32Array;
}

/** Lines before the first numeric one that may be a preamble or header; more means: this is no table. */
const MAX_HEADER_LINES = 64;

/**
 * Takes the last numeric column of a table separated by tab, `;`, `,` or blanks. Leading lines without a number are
 * a preamble, the last of them the header; empty lines and lines that start with `#` are skipped. With `;` or tab the
 * decimal sign may be a comma.
 *
 * @throws ConfigError naming the line when no line has a number, or a later line has none in that column
 */
export function decodeCsv(text: string): CsvColumn {
  const table = new TableReader(text);
  const samples: number[] = [];
  for (let cells = table.next(); cells !== undefined; cells = table.next()) {
    const cell = cells[table.column] ?? '';
    const value = parseNumber(cell, table.separator);
    if (value === undefined) {
      throw new ConfigError(
        `CSV: line ${table.lineNumber}: '${cell.slice(0, 40)}' in ${table.columnName} is not a number`,
      );
    }
    samples.push(value);
  }
  if (samples.length === 0) throw new ConfigError('CSV: no line with a number');
  return { name: table.columnName, samples: Float32Array.from(samples) };
}

/** Walks the lines; knows separator and column from the first line that has a number on. */
class TableReader {
  lineNumber = 0;
  separator = ',';
  column = -1;
  columnName = '';
  readonly #text: string;
  #offset: number;
  #header = '';

  constructor(text: string) {
    this.#text = text;
    this.#offset = text.startsWith('\ufeff') ? 1 : 0;
  }

  /** Cells of the next data line, or `undefined` at the end. */
  next(): string[] | undefined {
    for (let line = this.#nextLine(); line !== undefined; line = this.#nextLine()) {
      if (line === '' || line.startsWith('#')) continue;
      if (this.column >= 0) return splitCells(line, this.separator);
      const cells = this.#settleOn(line);
      if (cells !== undefined) return cells;
      if (this.lineNumber > MAX_HEADER_LINES) break;
    }
    return undefined;
  }

  /** Chooses separator and column if the line has a number; otherwise keeps the line as a possible header. */
  #settleOn(line: string): string[] | undefined {
    const separator = separatorOf(line);
    const cells = splitCells(line, separator);
    const column = cells.findLastIndex((cell) => parseNumber(cell, separator) !== undefined);
    if (column < 0) {
      this.#header = line;
      return undefined;
    }
    this.separator = separator;
    this.column = column;
    const title = splitCells(this.#header, separator)[column] ?? '';
    this.columnName = title === '' ? `column ${column + 1}` : title;
    return cells;
  }

  #nextLine(): string | undefined {
    if (this.#offset >= this.#text.length) return undefined;
    const newline = this.#text.indexOf('\n', this.#offset);
    const end = newline < 0 ? this.#text.length : newline;
    const line = this.#text.slice(this.#offset, end).trim();
    this.#offset = end + 1;
    this.lineNumber++;
    return line;
  }
}

function separatorOf(line: string): string {
  return ['\t', ';', ','].find((separator) => line.includes(separator)) ?? ' ';
}

function splitCells(line: string, separator: string): string[] {
  if (separator === ' ') return line.split(/\s+/);
  if (!line.includes('"')) return line.split(separator).map((cell) => cell.trim());
  const cells: string[] = [''];
  let quoted = false;
  for (const char of line) {
    if (char === '"') quoted = !quoted;
    else if (char === separator && !quoted) cells.push('');
    else cells[cells.length - 1] += char;
  }
  return cells.map((cell) => cell.trim());
}

function parseNumber(cell: string, separator: string): number | undefined {
  const decimalComma = separator === ';' || separator === '\t';
  const value = Number(decimalComma ? cell.replace(',', '.') : cell);
  return cell !== '' && Number.isFinite(value) ? value : undefined;
}
