/** Bucket settings in request bodies (http-api §4.1). */
import { changedSettings } from '../catalog/bucket-settings.ts';
import type { BucketSettings, QuotaType } from '../catalog/model.ts';
import type { FrontConfig } from './deps.ts';
import { invalidJson, parseJsonObject, stringMember, u64Member } from './json-members.ts';

const QUOTA_TYPES: ReadonlyMap<string, QuotaType> = new Map([
  ['NONE', 'NONE'],
  ['FIFO', 'FIFO'],
  ['HARD', 'HARD'],
]);

/** What a bucket gets that is created without settings. */
export function defaultBucketSettings(config: FrontConfig): BucketSettings {
  return {
    quota_type: QUOTA_TYPES.get(config.defaultQuotaType) ?? 'NONE',
    quota_size: config.defaultQuotaSizeBytes,
    max_block_size: config.defaultMaxBlockSizeBytes,
    max_block_records: config.defaultMaxBlockRecords,
  };
}

/**
 * @param text may be empty: all members are optional.
 * @param base for members that are absent or null.
 * @throws ApiError 422 `Invalid JSON: …`.
 */
export function parseBucketSettings(text: string, base: BucketSettings): BucketSettings {
  if (text.trim() === '') return base;
  const object = parseJsonObject(text);
  const typeText = stringMember(object, 'quota_type');
  const quotaType = typeText === undefined ? base.quota_type : QUOTA_TYPES.get(typeText);
  if (quotaType === undefined) {
    throw invalidJson(
      `unknown variant \`${typeText}\`, expected one of \`NONE\`, \`FIFO\`, \`HARD\``,
    );
  }
  return changedSettings(base, {
    quota_type: quotaType,
    quota_size: u64Member(object, 'quota_size'),
    max_block_size: u64Member(object, 'max_block_size'),
    max_block_records: u64Member(object, 'max_block_records'),
  });
}
