/** All operators by name. */
import { ARITHMETIC_OPERATORS } from './arithmetic.ts';
import { COMPARISON_OPERATORS } from './comparison.ts';
import { DATE_OPERATORS } from './date.ts';
import { LOGICAL_OPERATORS } from './logical.ts';
import { MISC_OPERATORS } from './misc.ts';
import type { Operator } from './operator.ts';
import { STATEFUL_OPERATORS } from './stateful.ts';

export const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ...LOGICAL_OPERATORS,
  ...COMPARISON_OPERATORS,
  ...ARITHMETIC_OPERATORS,
  ...DATE_OPERATORS,
  ...MISC_OPERATORS,
  ...STATEFUL_OPERATORS,
]);
