/** Sizes as text: `1KB`, `10 GB`, `1.5MiB`, plain bytes (http-api.md, settings table; when.md §9). */

const SIZE_TEXT = /^(\d+(?:\.\d*)?|\.\d+)\s*([kmgtp]?)(i?)(b?)$/i;
const POWERS = ['', 'k', 'm', 'g', 't', 'p'];

/** Bytes, at most `Number.MAX_SAFE_INTEGER`, or undefined when the text is no size. Letters in any case. */
export function parseSizeText(text: string): number | undefined {
  const match = SIZE_TEXT.exec(text);
  if (match === null) return undefined;
  const [, number = '', unit = '', binary = ''] = match;
  if (unit === '' && binary !== '') return undefined;
  const base = binary === '' ? 1_000 : 1_024;
  const bytes = Math.trunc(Number(number) * base ** POWERS.indexOf(unit.toLowerCase()));
  return Math.min(bytes, Number.MAX_SAFE_INTEGER);
}
