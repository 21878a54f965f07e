/** Comparison and string operators (when.md §7, §8). Both operands are always evaluated, the left one first. */
import { compareValues, isEqual } from '../compare.ts';
import { toText } from '../convert.ts';
import type { Value } from '../value.ts';
import { binary, type NamedOperator } from './operator.ts';

const onValues = (name: string, test: (left: Value, right: Value) => boolean): NamedOperator =>
  binary(name, (left, right) => (frame) => test(left(frame), right(frame)));

const onTexts = (
  name: string,
  test: (haystack: string, needle: string) => boolean,
): NamedOperator =>
  binary(name, (left, right) => (frame) => test(toText(left(frame)), toText(right(frame))));

/** Comparisons with not-a-number, the mark of unordered values, are false. */
export const COMPARISON_OPERATORS: readonly NamedOperator[] = [
  onValues('$eq', isEqual),
  onValues('$ne', (left, right) => !isEqual(left, right)),
  onValues('$gt', (left, right) => compareValues(left, right) > 0),
  onValues('$gte', (left, right) => compareValues(left, right) >= 0),
  onValues('$lt', (left, right) => compareValues(left, right) < 0),
  onValues('$lte', (left, right) => compareValues(left, right) <= 0),
  onTexts('$contains', (haystack, needle) => haystack.includes(needle)),
  onTexts('$starts_with', (haystack, needle) => haystack.startsWith(needle)),
  onTexts('$ends_with', (haystack, needle) => haystack.endsWith(needle)),
];
