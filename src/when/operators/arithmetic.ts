/**
 * Arithmetic (when.md §8). A float on either side makes the result a float; otherwise it is an integer that wraps at
 * 64 bits, also when durations take part.
 */
import { ApiError } from '../../errors/errors.ts';
import { toFloat, toInteger } from '../convert.ts';
import type { Evaluate } from '../frame.ts';
import { wrapInt64 } from '../int64.ts';
import { typeName, type Value } from '../value.ts';
import { binary, type NamedOperator, unary, variadic } from './operator.ts';

type Combine = (left: Value, right: Value) => Value;

const isFloat = (left: Value, right: Value): boolean =>
  typeof left === 'number' || typeof right === 'number';

function add(left: Value, right: Value): Value {
  if (typeof left === 'string' || typeof right === 'string') {
    if (typeof left === 'string' && typeof right === 'string') return left + right;
    throw new ApiError(422, `Cannot add ${typeName(left)} to ${typeName(right)}`);
  }
  if (isFloat(left, right)) return toFloat(left) + toFloat(right);
  return wrapInt64(toInteger(left) + toInteger(right));
}

function subtract(left: Value, right: Value): Value {
  if (typeof left === 'string' || typeof right === 'string') {
    if (typeof left === typeof right) throw new ApiError(422, 'Cannot subtract string');
    const other = typeof left === 'string' ? right : left;
    throw new ApiError(422, `Cannot subtract string from ${typeName(other)}`);
  }
  if (isFloat(left, right)) return toFloat(left) - toFloat(right);
  return wrapInt64(toInteger(left) - toInteger(right));
}

function multiply(left: Value, right: Value): Value {
  if (typeof left === 'string' || typeof right === 'string') {
    throw new ApiError(422, `Cannot multiply ${typeName(left)} by ${typeName(right)}`);
  }
  if (isFloat(left, right)) return toFloat(left) * toFloat(right);
  return wrapInt64(toInteger(left) * toInteger(right));
}

function refuseStrings(left: Value, right: Value): void {
  if (typeof left === 'string') throw new ApiError(422, 'Cannot divide string');
  if (typeof right === 'string') throw new ApiError(422, 'Cannot divide by string');
}

function divide(left: Value, right: Value): Value {
  refuseStrings(left, right);
  const divisor = toFloat(right);
  if (divisor === 0) throw new ApiError(422, 'Cannot divide by zero');
  return toFloat(left) / divisor;
}

/** Wraps for the one quotient that does not fit, −2^63 by −1. */
function divideIntegers(left: Value, right: Value): Value {
  refuseStrings(left, right);
  const divisor = toInteger(right);
  if (divisor === 0n) throw new ApiError(422, 'Cannot divide by zero');
  return wrapInt64(toInteger(left) / divisor);
}

/** With the sign of the dividend. A float remainder by zero is not-a-number, an integer one an error. */
function remainder(left: Value, right: Value): Value {
  if (typeof left === 'string' || typeof right === 'string') {
    if (typeof left === typeof right) throw new ApiError(422, 'Cannot divide string');
    throw new ApiError(422, `Cannot divide ${typeName(left)} by ${typeName(right)}`);
  }
  if (isFloat(left, right)) return toFloat(left) % toFloat(right);
  const divisor = toInteger(right);
  if (divisor === 0n) throw new ApiError(422, 'Cannot divide by zero');
  return toInteger(left) % divisor;
}

function absolute(value: Value): Value {
  if (typeof value === 'string') {
    throw new ApiError(422, 'Cannot calculate absolute value of a string');
  }
  if (typeof value === 'number') return Math.abs(value);
  const integer = toInteger(value);
  return integer < 0n ? wrapInt64(-integer) : integer;
}

/** From the left; a single operand stays what it is, none give the integer 0. */
function fold(operands: readonly Evaluate[], combine: Combine): Evaluate {
  const [first, ...others] = operands;
  if (first === undefined) return () => 0n;
  return (frame) => {
    let result = first(frame);
    for (const operand of others) result = combine(result, operand(frame));
    return result;
  };
}

const pair = (name: string, combine: Combine): NamedOperator =>
  binary(name, (left, right) => (frame) => combine(left(frame), right(frame)));

const ARITY_NEVER_FAILS = '';

export const ARITHMETIC_OPERATORS: readonly NamedOperator[] = [
  variadic('$add', 0, ARITY_NEVER_FAILS, (operands) => fold(operands, add)),
  variadic('$mult', 0, ARITY_NEVER_FAILS, (operands) => fold(operands, multiply)),
  pair('$sub', subtract),
  pair('$div', divide),
  pair('$div_num', divideIntegers),
  pair('$rem', remainder),
  unary('$abs', (operand) => (frame) => absolute(operand(frame))),
];
