import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../src/errors/errors.ts';
import { checkLifecycle } from '../../src/lifecycle/settings-checks.ts';
import {
  lifecycleSettingsJson,
  parseLifecycleMode,
  parseLifecycleSettings,
} from '../../src/lifecycle/settings-json.ts';
import type { LifecycleSettings } from '../../src/lifecycle/types.ts';

const HOUR_US = 3_600_000_000n;

function settings(overrides: Partial<LifecycleSettings> = {}): LifecycleSettings {
  return {
    type: 'delete',
    bucketName: 'data',
    entries: [],
    olderThan: '30d',
    interval: '1h',
    whenText: undefined,
    processingInterval: undefined,
    mode: 'enabled',
    ...overrides,
  };
}

describe('JSON of settings', () => {
  test('absent members get their defaults, and all eight come back in order', () => {
    const parsed = parseLifecycleSettings('{"older_than":"1d","bucket":"b","type":"delete"}');
    expect(lifecycleSettingsJson(parsed)).toBe(
      '{"type":"delete","bucket":"b","entries":[],"older_than":"1d","interval":"3600s","when":null,"processing_interval":null,"mode":"enabled"}',
    );
  });

  test('given members come back as they were written, unknown ones do not', () => {
    const when = '{"b":2.0,"5":{"$eq":12345678901234567890}}';
    const text = `{"type":"compress","bucket":"b","entries":["a/*","!x"],"older_than":" 1d 2h","interval":"10m","when":${when},"processing_interval":"1s","mode":"dry_run","new":1}`;
    expect(lifecycleSettingsJson(parseLifecycleSettings(text))).toBe(text.replace(',"new":1', ''));
  });

  test('null is absent where the contract says so', () => {
    const text =
      '{"type":"delete","bucket":"b","older_than":"1d","when":null,"processing_interval":null}';
    expect(parseLifecycleSettings(text)).toMatchObject({
      whenText: undefined,
      processingInterval: undefined,
    });
  });

  test.each([
    ['', 'Invalid JSON: '],
    ['[]', 'Invalid JSON: invalid type, expected a map'],
    ['{"bucket":"b","older_than":"1d"}', 'Invalid JSON: missing field `type`'],
    ['{"type":"delete","older_than":"1d"}', 'Invalid JSON: missing field `bucket`'],
    ['{"type":"delete","bucket":"b"}', 'Invalid JSON: missing field `older_than`'],
    [
      '{"type":"move","bucket":"b","older_than":"1d"}',
      'Invalid JSON: unknown variant `move`, expected one of `delete`, `compress`',
    ],
    [
      '{"type":"delete","bucket":"b","older_than":"1d","mode":null}',
      'Invalid JSON: unknown variant `null`, expected one of `enabled`, `disabled`, `dry_run`',
    ],
    ['{"type":"delete","bucket":"b","older_than":5}', 'Invalid JSON: older_than: '],
    ['{"type":"delete","bucket":"b","older_than":"1d","entries":null}', 'Invalid JSON: entries: '],
    [
      '{"type":"delete","bucket":"b","older_than":"1d","interval":null}',
      'Invalid JSON: interval: ',
    ],
    ['{"type":"delete","bucket":"b","older_than":"1d","entries":[1]}', 'Invalid JSON: entries: '],
  ])('%s is refused', (text, start) => {
    expect(() => parseLifecycleSettings(text)).toThrow(
      expect.objectContaining({ status: 422, message: expect.stringContaining(start) }),
    );
  });

  test('any text is settings or 422, and settings come back', () => {
    const value = fc.oneof(fc.string(), fc.constant(null), fc.jsonValue());
    const object = fc.record(
      {
        type: fc.oneof(fc.constantFrom('delete', 'compress'), value),
        bucket: value,
        entries: fc.oneof(fc.array(fc.string()), value),
        older_than: value,
        interval: value,
        when: value,
        processing_interval: value,
        mode: fc.oneof(fc.constantFrom('enabled', 'disabled', 'dry_run'), value),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          object.map((o) => JSON.stringify(o)),
          fc.string(),
        ),
        (text) => {
          let parsed: LifecycleSettings;
          try {
            parsed = parseLifecycleSettings(text);
          } catch (error) {
            expect(error).toBeInstanceOf(MillraceError);
            return;
          }
          expect(parseLifecycleSettings(lifecycleSettingsJson(parsed))).toEqual(parsed);
        },
      ),
    );
  });

  test('a mode is one of three', () => {
    expect(parseLifecycleMode('{"mode":"dry_run"}')).toBe('dry_run');
    expect(() => parseLifecycleMode('{}')).toThrow('Invalid JSON: missing field `mode`');
    expect(() => parseLifecycleMode('{"mode":"off"}')).toThrow('unknown variant `off`');
  });
});

describe('checks of settings', () => {
  const check = (overrides: Partial<LifecycleSettings>): unknown =>
    checkLifecycle('p', settings(overrides), (name) => name === 'data');

  test('give the plan in numbers', () => {
    expect(check({ olderThan: '1d 2h', interval: '90m' })).toMatchObject({
      olderThanUs: 26n * HOUR_US,
      intervalMs: 5_400_000,
      processingUs: 36n * HOUR_US,
    });
    expect(check({ processingInterval: '5us' })).toMatchObject({ processingUs: 5n });
  });

  test.each<[Partial<LifecycleSettings>, number, string]>([
    [
      { bucketName: 'nowhere', olderThan: 'x' },
      404,
      "Bucket 'nowhere' for lifecycle 'p' does not exist",
    ],
    [
      { olderThan: 'soon', interval: 'x' },
      422,
      "Invalid lifecycle older_than 'soon': Value 'soon' could not be parsed as duration",
    ],
    [
      { olderThan: '59m' },
      422,
      "Lifecycle older_than '59m' is shorter than minimum allowed value of 1h",
    ],
    [
      { olderThan: '-2h' },
      422,
      "Lifecycle older_than '-2h' is shorter than minimum allowed value of 1h",
    ],
    [
      { interval: '5' },
      422,
      "Invalid lifecycle interval '5': Value '5' could not be parsed as duration",
    ],
    [
      { interval: '9m 59s', processingInterval: 'x' },
      422,
      "Lifecycle interval '9m 59s' is shorter than minimum allowed value of 10m",
    ],
    [
      { processingInterval: 'x' },
      422,
      "Invalid lifecycle processing_interval 'x': Value 'x' could not be parsed as duration",
    ],
    [{ processingInterval: '0s' }, 422, "Lifecycle processing_interval '0s' must be positive"],
    [{ processingInterval: '-1s' }, 422, "Lifecycle processing_interval '-1s' must be positive"],
    [
      { type: 'compress', whenText: '{"$nonsense":1}' },
      422,
      "Lifecycle type 'compress' does not support 'when' condition",
    ],
    [
      { whenText: '{"$nonsense":1}' },
      422,
      "Invalid lifecycle condition: Operator '$nonsense' not supported",
    ],
    [{ whenText: '{"#ext":{"a":{}}}' }, 422, "Lifecycle condition cannot use '#ext' directive"],
  ])('%j is refused', (overrides, status, message) => {
    expect(() => check(overrides)).toThrow(expect.objectContaining({ status, message }));
  });

  test('the shortest that is allowed is', () => {
    check({ olderThan: '1h', interval: '10m', processingInterval: '1us' });
    check({ whenText: '{"#ctx_before":1,"&a":{"$eq":1}}' });
  });
});
