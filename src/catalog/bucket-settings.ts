/**
 * Bucket settings and their numbers beyond 2^53 − 1 (http-api §1.7, §4.1): what acts on them takes the nearest number, which
 * no content reaches; what tells them gives back the digits that were sent.
 */
import type { BucketSettings, QuotaType } from './model.ts';

const NUMBERS = ['quota_size', 'max_block_size', 'max_block_records'] as const;
type NumberName = (typeof NUMBERS)[number];

/** Members that are undefined stay as they are. */
export type SettingsChanges = Readonly<
  { quota_type: QuotaType | undefined } & Record<NumberName, number | bigint | undefined>
>;

export function changedSettings(base: BucketSettings, changes: SettingsChanges): BucketSettings {
  const numbers: Record<NumberName, number> = { ...base };
  const exact: Partial<Record<NumberName, string>> = { ...base.exact };
  for (const name of NUMBERS) {
    const value = changes[name];
    if (value === undefined) continue;
    numbers[name] = Number(value);
    if (Number.isSafeInteger(numbers[name])) delete exact[name];
    else exact[name] = String(value);
  }
  const { quota_size, max_block_size, max_block_records } = numbers;
  const quotaType = changes.quota_type ?? base.quota_type;
  const plain = { quota_type: quotaType, quota_size, max_block_size, max_block_records };
  return Object.keys(exact).length === 0 ? plain : { ...plain, exact };
}

/** All four members in the order of the contract. */
export function settingsJson(settings: BucketSettings): string {
  const numbers = NUMBERS.map((name) => `"${name}":${settings.exact?.[name] ?? settings[name]}`);
  return `{"quota_type":"${settings.quota_type}",${numbers.join(',')}}`;
}
