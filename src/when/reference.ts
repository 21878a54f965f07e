/** References to labels (when.md §3, §5). */
import { ApiError } from '../errors/errors.ts';
import type { Evaluate, Scope } from './frame.ts';
import { inferLabel } from './value.ts';

/** Longer texts are not remembered, so that a stream holds little memory; what reads as a number is short. */
const MAX_REMEMBERED_CHARS = 64;

/**
 * Value of label `name`. The error for a record without it is made once: in non-strict mode it is thrown and
 * dropped for every such record, and building its stack would cost more than the evaluation.
 */
export function labelReference(name: string, scope: Scope): Evaluate {
  const slot = scope.labelSlot(name);
  const missing = new ApiError(404, `Reference '${name}' not found`);
  return (frame) => {
    const text = frame.record.label(name);
    if (text === undefined) throw missing;
    const memory = frame.labels[slot];
    if (memory === undefined || text.length > MAX_REMEMBERED_CHARS) return inferLabel(text);
    if (memory.text !== text) {
      memory.value = inferLabel(text);
      memory.text = text;
    }
    return memory.value;
  };
}

/** Value of the computed label `name`, written `@name`. */
export function computedReference(name: string): Evaluate {
  const missing = new ApiError(404, `Reference '@${name}' not found`);
  return ({ record }) => {
    const text = record.computedLabel?.(name);
    if (text === undefined) throw missing;
    return inferLabel(text);
  };
}
