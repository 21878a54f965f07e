/** Presence, casts, indirect references and the record's timestamp (when.md §8). */
import { ApiError } from '../../errors/errors.ts';
import { toBoolean, toFloat, toInteger, toText } from '../convert.ts';
import type { Evaluate } from '../frame.ts';
import { wrapInt64 } from '../int64.ts';
import { Duration, inferLabel, type Value } from '../value.ts';
import { binary, type NamedOperator, unary, variadic } from './operator.ts';

/** False at the first operand that names no label; computed labels do not count. */
function hasAll(operands: readonly Evaluate[]): Evaluate {
  return (frame) => {
    for (const operand of operands) {
      if (!frame.record.hasLabel(toText(operand(frame)))) return false;
    }
    return true;
  };
}

function cast(value: Value, target: string): Value {
  switch (target) {
    case 'bool':
      return toBoolean(value);
    case 'int':
      return toInteger(value);
    case 'float':
      return toFloat(value);
    case 'string':
      return toText(value);
    case 'duration':
      return new Duration(toInteger(value));
    default:
      throw new ApiError(422, `Unknown type '${target}'`);
  }
}

/** The name really stands inside double quotes inside single quotes. */
function indirectReference(operand: Evaluate): Evaluate {
  return (frame) => {
    const name = toText(operand(frame));
    const text = frame.record.label(name);
    if (text === undefined) throw new ApiError(404, `Label '"${name}"' not found`);
    return inferLabel(text);
  };
}

/** The message says `$exists` for both names. */
const exists = (name: string): NamedOperator =>
  variadic(name, 1, '$exists requires at least one operand', hasAll);

/** The message says `$timestamp` for both names. */
const timestamp = (name: string): NamedOperator => [
  name,
  {
    minOperands: 0,
    maxOperands: 0,
    arityText: '$timestamp requires no operands',
    build: () => (frame) => wrapInt64(frame.record.timestamp),
  },
];

export const MISC_OPERATORS: readonly NamedOperator[] = [
  exists('$exists'),
  exists('$has'),
  binary('$cast', (value, target) => (frame) => cast(value(frame), toText(target(frame)))),
  unary('$ref', indirectReference),
  timestamp('$timestamp'),
  timestamp('$id'),
];
