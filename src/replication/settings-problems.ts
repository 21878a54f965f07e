/** What stops a task whatever its mode: it sends nothing, and says why, until its settings are given again. */
import { parseDestinationUrl } from './destination-url.ts';
import { checkCondition } from './settings-checks.ts';
import type { ReplicationSettings } from './settings.ts';

/** The reason for people, without secrets; `null`: the task can run. */
export function problemOf(settings: ReplicationSettings): string | null {
  const { lockedToken, unknownMembers, whenText, dstHost } = settings;
  if (lockedToken !== null) {
    return (
      `the stored token of the target cannot be decrypted: ${lockedToken.problem}; ` +
      'give the key back and start again, or give dst_token again'
    );
  }
  if (unknownMembers.length > 0) {
    const names = unknownMembers.map((name) => `'${name}'`).join(', ');
    return (
      `unknown settings ${names}: they may be filters that this version does not know, so nothing is sent; ` +
      'PUT the settings without them'
    );
  }
  try {
    checkCondition(whenText);
    parseDestinationUrl(dstHost);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
