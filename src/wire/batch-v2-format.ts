/** Writing header lines of batch protocol v2 (http-api-records §6.3). */
import type { Labels } from '../store/labels.ts';
import { printableText } from './header-text.ts';
import { appendLabel } from './label-list.ts';
import { encodeHeaderName } from './percent.ts';

/** One record of an answer. */
export interface BatchV2Item {
  readonly entryIndex: number;
  readonly ts: bigint;
  readonly lengthBytes: number;
  readonly contentType: string;
  readonly labels: Labels;
}

/** Value of `x-reduct-entries`. */
export function formatEntryNames(names: readonly string[]): string {
  return names.map(encodeHeaderName).join(',');
}

/**
 * Header lines of a whole answer, joined by CRLF: entries, start-ts, labels if any occurs, then one per record.
 * @param entryNames by entry index.
 * @param startTs smallest timestamp of the items, 0 for an empty batch.
 * @param items by (entry index, timestamp).
 */
export function formatBatchV2(
  entryNames: readonly string[],
  startTs: bigint,
  items: readonly BatchV2Item[],
): string {
  const labelIndexes = new Map<string, number>();
  const lines: string[] = [];
  let previous: BatchV2Item | undefined;
  for (const item of items) {
    const sameEntry = previous?.entryIndex === item.entryIndex ? previous : undefined;
    const value = formatValue(item, sameEntry, labelIndexes);
    lines.push(`x-reduct-${item.entryIndex}-${item.ts - startTs}: ${value}`);
    previous = item;
  }
  const head = [
    `x-reduct-entries: ${formatEntryNames(entryNames)}`,
    `x-reduct-start-ts: ${startTs}`,
  ];
  if (labelIndexes.size > 0) {
    head.push(`x-reduct-labels: ${[...labelIndexes.keys()].map(encodeHeaderName).join(',')}`);
  }
  return [...head, ...lines].join('\r\n');
}

function formatValue(
  item: BatchV2Item,
  previous: BatchV2Item | undefined,
  labelIndexes: Map<string, number>,
): string {
  const delta = formatDelta(item.labels, previous?.labels, labelIndexes);
  const type = previous?.contentType === item.contentType ? '' : item.contentType;
  if (delta !== '') return printableText(`${item.lengthBytes},${type},${delta}`);
  if (previous !== undefined && type === '') return String(item.lengthBytes);
  return printableText(`${item.lengthBytes},${type}`);
}

/** Differences between two label lists as `<index>=<value>`, sorted by index; removed labels as `<index>=`. */
function formatDelta(
  labels: Labels,
  before: Labels | undefined,
  labelIndexes: Map<string, number>,
): string {
  if (labels === before) return '';
  const old = toMap(before);
  const changes: [number, string][] = [];
  for (let i = 0; i + 1 < labels.length; i += 2) {
    const name = labels[i] ?? '';
    const value = labels[i + 1] ?? '';
    const was = old.get(name) ?? '';
    old.delete(name);
    if (was !== value) changes.push([labelIndex(name, labelIndexes), value]);
  }
  for (const [name, value] of old) {
    if (value !== '') changes.push([labelIndex(name, labelIndexes), '']);
  }
  changes.sort((a, b) => a[0] - b[0]);
  const pairs: string[] = [];
  for (const [index, value] of changes) appendLabel(pairs, String(index), value);
  return pairs.join(',');
}

function toMap(labels: Labels | undefined): Map<string, string> {
  const map = new Map<string, string>();
  if (labels === undefined) return map;
  for (let i = 0; i + 1 < labels.length; i += 2) map.set(labels[i] ?? '', labels[i + 1] ?? '');
  return map;
}

function labelIndex(name: string, indexes: Map<string, number>): number {
  const known = indexes.get(name);
  if (known !== undefined) return known;
  indexes.set(name, indexes.size);
  return indexes.size - 1;
}
