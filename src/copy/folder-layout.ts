/**
 * How records lie in a folder: `<folder>/<entry>/<µs>.<extension>`, and beside it `<µs>-meta.json` with what a file cannot
 * say. Entries with `/` in their names are nested folders. See `docs/cp.md`.
 */
import mime from 'mime';
import { type HeadMeta, newHeadMeta, toHeadMeta } from '../client/record-heads.ts';
import { DEFAULT_CONTENT_TYPE } from '../wire/batch-v1.ts';
import { isJsonObject, parseJson } from '../wire/json.ts';
import { checkEntryName } from '../wire/names.ts';
import { parseU64 } from '../wire/numbers.ts';

/** Where the content type has no extension of its own. */
const DEFAULT_EXTENSION = 'bin';

const CONTENT_NAME = /^(\d{1,20})\.([^/]+)$/;

/** A file with the content of a record. */
export interface ContentFile {
  /** µs. */
  readonly ts: bigint;
  readonly name: string;
}

/** What `<µs>-meta.json` says. */
export interface FileMeta {
  readonly meta: HeadMeta;
  /** Of the content; `null` when it does not say. */
  readonly sizeBytes: number | null;
}

/** The record behind a file name; `null` for everything else, such as unfinished files, which begin with a dot. */
export function parseContentName(name: string): ContentFile | null {
  const digits = CONTENT_NAME.exec(name)?.[1];
  const ts = digits === undefined ? undefined : parseU64(digits);
  return ts === undefined ? null : { ts, name };
}

/** @param extension `null`: by the content type. */
export function contentName(ts: bigint, contentType: string, extension: string | null): string {
  return `${ts}.${extension ?? mime.getExtension(contentType) ?? DEFAULT_EXTENSION}`;
}

export function metaName(ts: bigint): string {
  return `${ts}-meta.json`;
}

/** A file that is being written; it gets its name when it is complete. */
export function unfinishedName(name: string, processId: number): string {
  return `.${name}.${processId}.part`;
}

/** The process that wrote an unfinished file; `null` for other files. */
export function writerOf(name: string): number | null {
  const match = /^\..+\.(\d+)\.part$/.exec(name);
  return match === null ? null : Number(match[1]);
}

/** Path of an entry below the folder. @throws ApiError 422 for a name that would lead out of it. */
export function entryFolder(entry: string): string {
  checkEntryName(entry);
  return entry;
}

/** What is known of a record from its file name alone. */
export function metaOfName(name: string): HeadMeta {
  const contentType = mime.getType(name) ?? DEFAULT_CONTENT_TYPE;
  return newHeadMeta(contentType, [], false);
}

export function formatFileMeta(
  ts: bigint,
  entry: string,
  sizeBytes: number,
  meta: HeadMeta,
): string {
  const { contentType, labels } = meta;
  const pairs: string[] = [];
  for (let at = 0; at + 1 < labels.length; at += 2) {
    pairs.push(`    ${JSON.stringify(labels[at])}: ${JSON.stringify(labels[at + 1])}`);
  }
  const labelText = pairs.length === 0 ? '{}' : `{\n${pairs.join(',\n')}\n  }`;
  const members = [
    `"timestamp": ${ts}`,
    `"entry": ${JSON.stringify(entry)}`,
    `"content_type": ${JSON.stringify(contentType)}`,
    `"size": ${sizeBytes}`,
    `"labels": ${labelText}`,
  ];
  return `{\n  ${members.join(',\n  ')}\n}\n`;
}

/** @throws Error when the text does not say what it should. */
export function parseFileMeta(text: string): FileMeta {
  const root = parseJson(text);
  if (!isJsonObject(root)) throw new Error('is no JSON object');
  const contentType = root.get('content_type');
  if (typeof contentType !== 'string') throw new Error("'content_type' is no text");
  const size = root.get('size') ?? null;
  if (size !== null && typeof size !== 'number') throw new Error("'size' is no number");
  const labels = root.get('labels') ?? null;
  if (labels !== null && !isJsonObject(labels)) throw new Error("'labels' is no object");
  const pairs: string[] = [];
  for (const [name, value] of labels ?? []) {
    if (typeof value !== 'string') throw new Error(`label '${name}' is no text`);
    pairs.push(name, value);
  }
  return { meta: toHeadMeta(contentType, pairs), sizeBytes: size };
}
