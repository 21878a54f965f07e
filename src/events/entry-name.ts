/** Names of the `$system` bucket and of its entries (http-api-extras §3). */
import type { EventFamily } from './types.ts';

export const SYSTEM_BUCKET = '$system';

/** Names beyond it are cut; they come from tokens and policies, whose length nobody limits. */
const MAX_SEGMENT_LENGTH = 128;

/** `<family>/<instance>/<name>`, with `_` for every character that names of entries cannot have. */
export function eventEntryName(family: EventFamily, instance: string, name: string): string {
  return `${family}/${segment(instance)}/${segment(name)}`;
}

function segment(text: string): string {
  const allowed = text.replaceAll(/[^A-Za-z0-9_-]/gu, '_').slice(0, MAX_SEGMENT_LENGTH);
  return allowed === '' ? '_' : allowed;
}
