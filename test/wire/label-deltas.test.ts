import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_LABELS } from '../../src/store/labels.ts';
import { LabelDeltas } from '../../src/wire/label-deltas.ts';

const NAMES = ['engine', 'sensor', 'mode'];

describe('differences of labels', () => {
  test('equal results are one array, also when they come about differently', () => {
    const deltas = new LabelDeltas(NAMES);
    const first = deltas.apply(NO_LABELS, '0=on,1=ok');
    expect(first).toEqual(['engine', 'on', 'sensor', 'ok']);
    const second = deltas.apply(first, '0=off');
    expect(second).toEqual(['engine', 'off', 'sensor', 'ok']);
    expect(deltas.apply(second, '0=on')).toBe(first);
    expect(deltas.apply(first, '0=off')).toBe(second);
    expect(deltas.apply(NO_LABELS, 'engine=on,sensor=ok')).toBe(first);
  });

  test('what is remembered is what a fresh look would say', () => {
    const value = fc.constantFrom('', 'a', 'b', '"c,d"');
    const pair = fc.tuple(fc.constantFrom('0', '1', '2', 'other'), value);
    const delta = fc
      .array(pair, { minLength: 1, maxLength: 3 })
      .map((pairs) => pairs.map(([name, text]) => `${name}=${text}`).join(','));
    const empties = fc.constantFrom('absent' as const, 'removed' as const);
    fc.assert(
      fc.property(fc.array(delta, { maxLength: 40 }), empties, (texts, emptyValues) => {
        const remembering = new LabelDeltas(NAMES, emptyValues);
        let before = NO_LABELS;
        for (const text of texts) {
          const fresh = new LabelDeltas(NAMES, emptyValues).apply(before, text);
          before = remembering.apply(before, text);
          expect(before).toEqual(fresh);
        }
      }),
    );
  });
});
