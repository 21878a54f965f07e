/** Logical operators and membership (when.md §8). */
import { isEqual } from '../compare.ts';
import { toBoolean } from '../convert.ts';
import type { Evaluate } from '../frame.ts';
import { type NamedOperator, operandAt, variadic } from './operator.ts';

/** False at the first operand that is false; later ones are not evaluated. True without operands. */
export function allOf(operands: readonly Evaluate[]): Evaluate {
  const [only] = operands;
  if (only !== undefined && operands.length === 1) return (frame) => toBoolean(only(frame));
  return (frame) => {
    for (const operand of operands) {
      if (!toBoolean(operand(frame))) return false;
    }
    return true;
  };
}

function anyOf(operands: readonly Evaluate[]): Evaluate {
  return (frame) => {
    for (const operand of operands) {
      if (toBoolean(operand(frame))) return true;
    }
    return false;
  };
}

function noneOf(operands: readonly Evaluate[]): Evaluate {
  return (frame) => {
    for (const operand of operands) {
      if (toBoolean(operand(frame))) return false;
    }
    return true;
  };
}

function oneOf(operands: readonly Evaluate[]): Evaluate {
  return (frame) => {
    let trueCount = 0;
    for (const operand of operands) {
      if (toBoolean(operand(frame))) trueCount++;
    }
    return trueCount === 1;
  };
}

/** @param whenFound the result when operand 1 equals a later one. */
function membership(operands: readonly Evaluate[], whenFound: boolean): Evaluate {
  const needle = operandAt(operands, 0);
  const candidates = operands.slice(1);
  return (frame) => {
    const value = needle(frame);
    for (const candidate of candidates) {
      if (isEqual(value, candidate(frame))) return whenFound;
    }
    return !whenFound;
  };
}

const ARITY_NEVER_FAILS = '';
const logical = (name: string, build: (operands: readonly Evaluate[]) => Evaluate): NamedOperator =>
  variadic(name, 0, ARITY_NEVER_FAILS, build);

const member = (name: string, whenFound: boolean): NamedOperator =>
  variadic(name, 2, `${name} operator requires at least two operands`, (operands) =>
    membership(operands, whenFound),
  );

export const LOGICAL_OPERATORS: readonly NamedOperator[] = [
  logical('$and', allOf),
  logical('$all_of', allOf),
  logical('$or', anyOf),
  logical('$any_of', anyOf),
  logical('$not', noneOf),
  logical('$none_of', noneOf),
  logical('$xor', oneOf),
  logical('$one_of', oneOf),
  member('$in', true),
  member('$nin', false),
];
