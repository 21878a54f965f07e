import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ApiError } from '../../src/errors/errors.ts';
import { type CompiledCondition, compileCondition } from '../../src/when/condition.ts';
import { OPERATORS } from '../../src/when/operators/registry.ts';
import { parseJson } from '../../src/wire/json.ts';
import { testRecord } from './lib/test-record.ts';

const operatorName = fc.constantFrom(
  ...OPERATORS.keys(),
  '$foo',
  '$$x',
  'x',
  '#ctx_before',
  '#ext',
);
const literal = fc.oneof(
  fc.constantFrom('&a', '&b', '&missing', '@c', '$timestamp', '1s', '-1h 30m', 'UTC', 'int', ''),
  fc.string({ maxLength: 4 }),
);
const scalar = fc.oneof(
  literal.map((text) => JSON.stringify(text)),
  fc.constantFrom('true', 'false', 'null', '0', '-0.0', '2.0', '1e300', '18446744073709551615'),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 65n }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
);

const member = (key: string, value: string): string => `${JSON.stringify(key)}:${value}`;

/** JSON texts close enough to conditions that many of them compile. */
const { condition: conditionText } = fc.letrec<{ condition: string; object: string }>((tie) => ({
  condition: fc.oneof({ maxDepth: 5 }, scalar, tie('object')),
  object: fc
    .array(
      fc.oneof(
        fc
          .tuple(operatorName, fc.array(tie('condition'), { maxLength: 3 }))
          .map(([name, items]) => member(name, `[${items.join(',')}]`)),
        fc
          .tuple(literal, operatorName, tie('condition'))
          .map(([key, name, right]) => member(key, `{${member(name, right)}}`)),
        fc.tuple(operatorName, tie('condition')).map(([name, value]) => member(name, value)),
      ),
      { maxLength: 3 },
    )
    .map((members) => `{${members.join(',')}}`),
}));

/** Undefined when the text is refused, which may only happen with 422 and a text. */
function compiled(text: string): CompiledCondition | undefined {
  try {
    return compileCondition(parseJson(text, { keepFloats: true }));
  } catch (error) {
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 422, message: expect.stringMatching(/./) });
    return undefined;
  }
}

const RECORDS = [
  testRecord(0n),
  testRecord(5_000_000n, { a: '1', b: 'x' }),
  testRecord(1_704_067_200_123_456n, { a: 'nan', b: '-9223372036854775808' }),
  testRecord(2n ** 64n - 1n, { a: 'true', b: '1e30' }),
];

describe('compiling and evaluating', () => {
  test('any JSON is compiled or refused with 422', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), conditionText), (text) => {
        compiled(text);
      }),
      { numRuns: 1_000 },
    );
  });

  test('whatever compiles is evaluated without any error but 404 and 422, and without any when not strict', () => {
    let compiledCount = 0;
    fc.assert(
      fc.property(conditionText, (text) => {
        const condition = compiled(text);
        if (condition === undefined) return;
        compiledCount++;
        const lenient = condition.createStream(false);
        for (const record of RECORDS) {
          lenient.push(record);
          try {
            condition.createStream(true).evaluate(record);
          } catch (error) {
            expect(error).toBeInstanceOf(ApiError);
            expect(error).toHaveProperty('status', expect.toSatisfy(isEvaluationStatus));
          }
        }
      }),
      { numRuns: 3_000 },
    );
    expect(compiledCount).toBeGreaterThan(300);
  });

  test('very many operands do not exhaust the stack', () => {
    const items = Array.from({ length: 300_000 }, () => 'true').join(',');
    const condition = compiled(`{"$and":[${items}]}`);
    expect(condition?.createStream(true).evaluate(testRecord(0n))).toBe(true);
  });
});

function isEvaluationStatus(status: unknown): boolean {
  return status === 404 || status === 422;
}
