/** Rules for `$meta` entries, which hold attachments of their parent entry (http-api-extras §2). */
import { ApiError } from '../errors/errors.ts';
import type { Labels } from '../store/labels.ts';
import { labelValue } from '../store/labels.ts';

const KEY_LABEL = 'key';
/** A record with this label and the value `true` is a tombstone: removed for every query, but still there. */
export const REMOVED_LABEL = 'remove';

/** The key a record stands for; undefined for tombstones and records without one. */
export function attachmentKeyOf(labels: Labels): string | undefined {
  return isTombstone(labels) ? undefined : labelValue(labels, KEY_LABEL);
}

/** Why a record with these labels cannot be written to a `$meta` entry. */
export function attachmentRefusal(entryName: string, labels: Labels): ApiError | undefined {
  if (labelValue(labels, KEY_LABEL) === undefined) {
    return new ApiError(422, `System entry '${entryName}' records must contain label 'key'`);
  }
  if (!isTombstone(labels)) return undefined;
  return new ApiError(
    422,
    `System entry '${entryName}' does not support writing records with label 'remove=true'; use record update`,
  );
}

/** The refusal of a removal of records of a `$meta` entry. */
export function attachmentRemovalRefusal(entryName: string): ApiError {
  return new ApiError(
    422,
    `Can't delete records from system entry '${entryName}'; use label update with remove=true`,
  );
}

function isTombstone(labels: Labels): boolean {
  return labelValue(labels, REMOVED_LABEL) === 'true';
}
