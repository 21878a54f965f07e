import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ApiError } from '../../src/errors/errors.ts';
import { type CompiledCondition, compileCondition } from '../../src/when/condition.ts';
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseJson,
  stringifyJson,
} from '../../src/wire/json.ts';
import { type TestRecord, testRecord } from './lib/test-record.ts';

/** The vectors of the contract, read by the parser under test so that member order is kept. */
const vectors = asObject(
  parseJson(readFileSync(new URL('when-vectors.json', import.meta.url), 'utf8')),
);

function asObject(json: JsonValue | undefined): JsonObject {
  if (json === undefined || !isJsonObject(json)) throw new Error('an object was expected');
  return json;
}

function asObjects(json: JsonValue | undefined): JsonObject[] {
  if (json === undefined || !isJsonArray(json)) throw new Error('a list was expected');
  return json.map(asObject);
}

/** A string as it is, anything else as JSON text. */
function textOf(json: JsonValue | undefined): string {
  return typeof json === 'string' ? json : stringifyJson(json ?? null);
}

function labelsOf(json: JsonValue | undefined): Record<string, string> {
  const labels: Record<string, string> = {};
  if (json === undefined) return labels;
  for (const [name, value] of asObject(json)) labels[name] = textOf(value);
  return labels;
}

function recordOf(vector: JsonObject): TestRecord {
  return testRecord(BigInt(textOf(vector.get('ts') ?? '0')), labelsOf(vector.get('labels')));
}

function requireWhen(vector: JsonObject): JsonValue {
  const when = vector.get('when');
  if (when === undefined) throw new Error('a vector without a condition');
  return when;
}

/** What a vector calls for, and what happened, in one form. */
function errorOf(json: JsonValue): string {
  const error = asObject(json);
  return `${textOf(error.get('status'))} ${textOf(error.get('message'))}`;
}

function caught(run: () => unknown): string {
  try {
    return `no error but ${String(run())}`;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return `${error.status} ${error.message}`;
  }
}

function runExpression(vector: JsonObject): void {
  const when = requireWhen(vector);
  const parseError = vector.get('parse_error');
  if (parseError !== undefined) {
    expect(caught(() => compileCondition(when))).toBe(errorOf(parseError));
    return;
  }
  const condition = compileCondition(when);
  const record = recordOf(vector);
  const strict = condition.createStream(true);
  const lenient = condition.createStream(false);
  const evalError = vector.get('eval_error');
  if (evalError !== undefined) {
    expect(caught(() => strict.evaluate(record))).toBe(errorOf(evalError));
    expect(lenient.evaluate(record)).toBe(false);
    return;
  }
  expect(strict.evaluate(record)).toBe(vector.get('match') ?? false);
  expect(lenient.evaluate(record)).toBe(vector.get('match') ?? false);
  expect(strict.isStopped).toBe(vector.get('stop') ?? false);
}

/** Runs a query as a caller would: compile, push until stop, apply `#select_labels` to what comes out. */
function runQuery(
  condition: CompiledCondition,
  records: TestRecord[],
  strict: boolean,
): TestRecord[] {
  const stream = condition.createStream<TestRecord>(strict);
  const returned: TestRecord[] = [];
  for (const record of records) {
    const { emit, stop } = stream.push(record);
    returned.push(...emit);
    if (stop) break;
  }
  const { selectLabels } = condition.directives;
  if (selectLabels === undefined) return returned;
  return returned.map(({ timestamp, labels }) => {
    const kept = Object.entries(labels).filter(([name]) => selectLabels.has(name));
    return testRecord(timestamp, Object.fromEntries(kept));
  });
}

function runStream(vector: JsonObject): void {
  const records = asObjects(vector.get('records')).map(recordOf);
  const strict = vector.get('strict') === true;
  const run = (): TestRecord[] => runQuery(compileCondition(requireWhen(vector)), records, strict);
  const error = vector.get('error');
  if (error !== undefined) {
    expect(caught(run)).toBe(errorOf(error));
    return;
  }
  const expected = vector.get('returned');
  if (expected === undefined || !isJsonArray(expected)) throw new Error('`returned` is missing');
  const returned = run();
  expect(returned.map(({ timestamp }) => String(timestamp))).toEqual(
    expected.map((item) => (typeof item === 'string' ? item : textOf(asObject(item).get('ts')))),
  );
  expected.forEach((item, index) => {
    if (typeof item === 'string') return;
    expect(returned[index]?.labels).toEqual(labelsOf(asObject(item).get('labels')));
  });
}

describe('vectors of the condition language', () => {
  const expressions = asObjects(vectors.get('expressions'));
  const streams = asObjects(vectors.get('streams'));

  test('the file holds all vectors', () => {
    expect(expressions.length).toBe(222);
    expect(streams.length).toBe(39);
  });

  test.each(expressions.map((vector, index) => ({ vector, title: `${index} ${titleOf(vector)}` })))(
    'expression $title',
    ({ vector }) => {
      runExpression(vector);
    },
  );

  test.each(streams.map((vector) => ({ vector, title: textOf(vector.get('name')) })))(
    'stream $title',
    ({ vector }) => {
      runStream(vector);
    },
  );
});

function titleOf(vector: JsonObject): string {
  return `${stringifyJson(requireWhen(vector))} on ${stringifyJson(vector.get('labels') ?? null)}`;
}
