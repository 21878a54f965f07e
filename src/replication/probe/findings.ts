/** Short forms of findings. */
import type { Finding, FindingName, FindingStatus } from './types.ts';

type Details = Finding['details'];

export function ok(name: FindingName, message: string, details: Details = {}): Finding {
  return { name, status: 'ok', message, hint: null, details };
}

export function problem(
  name: FindingName,
  status: Exclude<FindingStatus, 'ok'>,
  message: string,
  hint: string | null,
  details: Details = {},
): Finding {
  return { name, status, message, hint, details };
}

export function skipped(name: FindingName, message: string): Finding {
  return problem(name, 'skipped', message, null);
}

const RANK: Readonly<Record<FindingStatus, number>> = { ok: 0, skipped: 0, warning: 1, error: 2 };

/** The worst of all; what was skipped counts as nothing. */
export function worstOf(findings: readonly Finding[]): 'ok' | 'warning' | 'error' {
  const rank = Math.max(0, ...findings.map(({ status }) => RANK[status]));
  return rank === 2 ? 'error' : rank === 1 ? 'warning' : 'ok';
}
