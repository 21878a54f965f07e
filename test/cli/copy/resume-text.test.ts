import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatResume, parseResume, type ResumeState } from '../../../src/cli/copy/resume-text.ts';
import '../../lib/property-tests.ts';

const MICROSECONDS = fc.bigInt(0n, 2n ** 64n - 1n);

const STATES: fc.Arbitrary<ResumeState> = fc.record({
  command: fc.dictionary(fc.constantFrom('the source', '--start', '--when'), fc.string()),
  startUs: fc.option(MICROSECONDS),
  stopUs: fc.option(MICROSECONDS),
  entries: fc.array(
    fc.record({
      bucket: fc.string(),
      entry: fc.oneof(fc.string(), fc.constant('__proto__')),
      startUs: MICROSECONDS,
      nextUs: MICROSECONDS,
    }),
  ),
});

test('a resume file says what was written, whatever names and times are in it', () => {
  fc.assert(
    fc.property(STATES, (state) => {
      expect(parseResume(formatResume(state))).toEqual({ ...state, command: { ...state.command } });
    }),
  );
});

test('a resume file with another digit anywhere, or cut anywhere, is refused', () => {
  fc.assert(
    fc.property(STATES, fc.nat(), (state, choice) => {
      const text = formatResume(state);
      const digits = [...text.matchAll(/\d/g)].map(({ index }) => index);
      const at = digits[choice % digits.length] ?? 0;
      const other = (Number(text[at]) + 1) % 10;
      expect(parseResume(`${text.slice(0, at)}${other}${text.slice(at + 1)}`)).toBeTypeOf('string');
      expect(parseResume(text.slice(0, choice % (text.length - 2)))).toBeTypeOf('string');
    }),
  );
});
