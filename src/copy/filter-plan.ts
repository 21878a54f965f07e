/**
 * Which part of a filter the source's server applies and which part we do, so that the result is the same for every
 * server: those up to 1.20 know `include`, `exclude`, `each_n` and `each_s`, later ones ignore them in silence
 * (http-api §6), and the order of the filters matters (replication §2.1).
 */
import { MillraceError } from '../errors/errors.ts';
import type { QueryFilter } from '../client/query-body.ts';
import { compileCondition } from '../when/condition.ts';
import { parseJson, JsonSyntaxError } from '../wire/json.ts';
import type { CopyFilter } from './types.ts';

export interface FilterPlan {
  /** Sent with each query. */
  readonly query: QueryFilter;
  /** Applied to what comes back. */
  readonly client: CopyFilter;
  readonly mustList: boolean;
  readonly isStateful: boolean;
}

/** Servers from this minor version on have `when` alone. */
const FIRST_WITHOUT_LABEL_FILTERS = 21;

/** @param apiVersion of the source's server; `null`: nothing is known of it. */
export function planFilter(
  filter: CopyFilter,
  apiVersion: readonly [number, number] | null,
): FilterPlan {
  const { include, exclude, whenText, extText } = filter;
  const samples = filter.eachN !== null || filter.eachS !== null;
  const hasLabels = Object.keys(include).length > 0 || Object.keys(exclude).length > 0;
  const isStateful = whenText !== null && isStatefulCondition(whenText);
  // Sampling and label filters come first: a condition with a memory must not see what they leave out.
  const isOurs = whenText !== null && (samples || (hasLabels && isStateful));
  const asked = isOurs ? null : whenText;
  const knowsLabels = apiVersion !== null && apiVersion[1] < FIRST_WITHOUT_LABEL_FILTERS;
  const helper = asked === null && !knowsLabels ? includeCondition(include) : null;
  const query: QueryFilter = {
    include,
    exclude,
    ...(asked === null ? {} : { whenText: asked, strict: filter.strict }),
    ...(helper === null ? {} : { whenText: helper }),
    ...(extText === null ? {} : { extText }),
  };
  return {
    query,
    client: { ...filter, whenText: isOurs ? whenText : null, extText: null },
    mustList: samples || isOurs,
    isStateful: asked !== null && isStateful,
  };
}

/** One that we cannot read may be anything; the server will say what it thinks of it. */
export function isStatefulCondition(whenText: string): boolean {
  try {
    return compileCondition(parseJson(whenText, { keepFloats: true })).isStateful;
  } catch (error) {
    if (error instanceof MillraceError || error instanceof JsonSyntaxError) return true;
    throw error;
  }
}

/**
 * A condition that lets through at least what `include` does, to spare the network the rest; `null` when there is none.
 * Conditions compare typed values where `include` compares texts, so "01" passes here for "1": we look again.
 */
function includeCondition(include: Readonly<Record<string, string>>): string | null {
  const parts = Object.entries(include).map(([name, value]) => {
    if (/^(true|false|0|[1-9]\d{0,14})$/.test(value)) {
      return `{${JSON.stringify(`&${name}`)}:{"$eq":${value}}}`;
    }
    // Texts with digits may read as durations.
    if (/^[A-Za-z_-]+$/.test(value)) {
      return `{${JSON.stringify(`&${name}`)}:{"$eq":${JSON.stringify(value)}}}`;
    }
    return `{"$has":[${JSON.stringify(name)}]}`;
  });
  if (parts.length === 0) return null;
  return parts.length === 1 ? (parts[0] ?? null) : `{"$and":[${parts.join(',')}]}`;
}
