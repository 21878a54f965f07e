/**
 * Operators that remember earlier records (when.md §8). Each occurrence has one state per stream and moves only when
 * it is evaluated; it counts before its operand is evaluated, so an error in the operand counts too (§13.11).
 */
import { ApiError } from '../../errors/errors.ts';
import { toBoolean, toInteger, toIntervalUs } from '../convert.ts';
import { type Evaluate, type OperatorState, type Scope, stateAt } from '../frame.ts';
import { binary, type NamedOperator, unary } from './operator.ts';

/** True for every n-th evaluation. */
function eachN(operand: Evaluate, scope: Scope): Evaluate {
  const index = scope.addState();
  return (frame) => {
    const state = stateAt(frame, index);
    state.count++;
    const every = toInteger(operand(frame));
    if (every === 0n) throw new ApiError(422, `Value '0' is not a valid operand for $each_n`);
    return state.count % Number(every) === 0;
  };
}

/** True when the interval has passed since the last true; the first record only starts the clock. */
function eachT(operand: Evaluate, scope: Scope): Evaluate {
  const index = scope.addState();
  return (frame) => {
    const state = stateAt(frame, index);
    const nowUs = frame.record.timestamp;
    const referenceUs = (state.referenceUs ??= nowUs);
    const intervalUs = toIntervalUs(operand(frame));
    if (nowUs < referenceUs) {
      state.referenceUs = nowUs;
      return false;
    }
    if (nowUs - referenceUs < intervalUs) return false;
    state.referenceUs = nowUs;
    return true;
  };
}

/** Stops the stream at evaluation n + 1, wherever in the condition it stands. */
function limit(operand: Evaluate, scope: Scope): Evaluate {
  const index = scope.addState();
  return (frame) => {
    const state = stateAt(frame, index);
    state.count++;
    if (state.count <= toInteger(operand(frame))) return true;
    frame.isStopped = true;
    return false;
  };
}

/** Lets the input through for `spanUs` from the record on which it became true, then waits for a false input. */
function gate(span: Evaluate, input: Evaluate, scope: Scope): Evaluate {
  const index = scope.addState();
  return (frame) => {
    const spanUs = toIntervalUs(span(frame));
    const isOn = toBoolean(input(frame));
    return passGate(stateAt(frame, index), frame.record.timestamp, spanUs, isOn);
  };
}

function passGate(state: OperatorState, nowUs: bigint, spanUs: bigint, isOn: boolean): boolean {
  if (state.referenceUs !== undefined && nowUs < state.referenceUs) {
    state.deadlineUs = undefined;
    state.isSpent = false;
  }
  state.referenceUs = nowUs;
  // Shut and not spent means that the previous input was false, so a true one is the edge that opens.
  if (state.deadlineUs === undefined && !state.isSpent && isOn) state.deadlineUs = nowUs + spanUs;
  if (state.deadlineUs !== undefined) {
    if (nowUs < state.deadlineUs) return isOn;
    state.deadlineUs = undefined;
    state.isSpent = true;
  }
  if (!isOn) state.isSpent = false;
  return false;
}

export const STATEFUL_OPERATORS: readonly NamedOperator[] = [
  unary('$each_n', eachN),
  unary('$each_t', eachT),
  unary('$limit', limit),
  binary('$gate', gate),
];
