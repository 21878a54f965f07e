/** How an operator is declared: the operands it takes and the closure it makes of them. */
import { BugError } from '../../errors/errors.ts';
import type { Evaluate, Scope } from '../frame.ts';

export interface Operator {
  readonly minOperands: number;
  readonly maxOperands: number;
  /** Text of the 422 for another number of operands (when.md §11). */
  readonly arityText: string;
  readonly build: (operands: readonly Evaluate[], scope: Scope) => Evaluate;
}

/** An entry of the operator table. */
export type NamedOperator = readonly [name: string, operator: Operator];

export function unary(
  name: string,
  build: (operand: Evaluate, scope: Scope) => Evaluate,
): NamedOperator {
  return [
    name,
    {
      minOperands: 1,
      maxOperands: 1,
      arityText: `${name} requires exactly one operand`,
      build: (operands, scope) => build(operandAt(operands, 0), scope),
    },
  ];
}

export function binary(
  name: string,
  build: (left: Evaluate, right: Evaluate, scope: Scope) => Evaluate,
): NamedOperator {
  return [
    name,
    {
      minOperands: 2,
      maxOperands: 2,
      arityText: `${name} requires exactly two operands`,
      build: (operands, scope) => build(operandAt(operands, 0), operandAt(operands, 1), scope),
    },
  ];
}

/** Takes `minOperands` or more. */
export function variadic(
  name: string,
  minOperands: number,
  arityText: string,
  build: (operands: readonly Evaluate[]) => Evaluate,
): NamedOperator {
  return [name, { minOperands, maxOperands: Infinity, arityText, build }];
}

/** The operand the arity check promised. */
export function operandAt(operands: readonly Evaluate[], index: number): Evaluate {
  const operand = operands[index];
  if (operand === undefined) throw new BugError(`operand ${index} of ${operands.length}`);
  return operand;
}
