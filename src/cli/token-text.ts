/** Tokens as text; their values are in no answer and in none of these texts. */
import type { JsonObject } from '../wire/json.ts';
import { flagMember, objectMember, textMember, textsMember } from './api/members.ts';
import { provisionedText } from './bucket-text.ts';
import { markdownTable } from './output/table.ts';
import { formatSeconds } from './sizes.ts';
import { formatTime, parseTime, type TimeStyle } from './times.ts';

export function tokenTable(tokens: readonly JsonObject[], style: TimeStyle): string {
  const head = [
    'Name',
    'Full Access',
    'Read',
    'Write',
    'Created',
    'Expires',
    'Last Access',
    'Provisioned',
  ];
  const rows = tokens.map((token) => {
    const { fullAccess, read, write, created, expires, lastAccess } = tokenFacts(token, style);
    const name = textMember(token, 'name');
    return [name, fullAccess, read, write, created, expires, lastAccess, provisionedText(token)];
  });
  return markdownTable(head, rows);
}

export function tokenText(token: JsonObject, style: TimeStyle): string {
  const facts = tokenFacts(token, style);
  return [
    `Name:        ${textMember(token, 'name')}`,
    `Full Access: ${facts.fullAccess}`,
    `Read:        ${facts.read}`,
    `Write:       ${facts.write}`,
    `Created:     ${facts.created}`,
    `Expires:     ${facts.expires}`,
    `Addresses:   ${facts.addresses}`,
    `Last Access: ${facts.lastAccess}`,
    `Provisioned: ${provisionedText(token)}`,
  ].join('\n');
}

interface TokenFacts {
  readonly fullAccess: string;
  readonly read: string;
  readonly write: string;
  readonly created: string;
  readonly expires: string;
  readonly addresses: string;
  readonly lastAccess: string;
}

/** Lists of older servers have no permissions in them. */
function tokenFacts(token: JsonObject, style: TimeStyle): TokenFacts {
  const permissions = objectMember(token, 'permissions');
  const list = (object: JsonObject, name: string): string =>
    textsMember(object, name).join(', ') || '-';
  return {
    fullAccess: flagMember(permissions, 'full_access') ? '✓' : '-',
    read: list(permissions, 'read'),
    write: list(permissions, 'write'),
    created: dateText(textMember(token, 'created_at'), style),
    expires: expiryText(token, style),
    addresses: list(token, 'ip_allowlist'),
    lastAccess: dateText(textMember(token, 'last_access'), style),
  };
}

function expiryText(token: JsonObject, style: TimeStyle): string {
  if (flagMember(token, 'is_expired')) return 'expired';
  const ttl = token.get('ttl');
  const unused = typeof ttl === 'number' ? [`unused for ${formatSeconds(ttl)}`] : [];
  const at = textMember(token, 'expires_at');
  const parts = at === '' ? unused : [dateText(at, style), ...unused];
  return parts.join(', or ') || 'never';
}

/** @param text RFC 3339 of the server; empty: `-`. */
export function dateText(text: string, style: TimeStyle): string {
  return text === '' ? '-' : formatTime(parseTime(text, 0n), style);
}
