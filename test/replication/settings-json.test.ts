import { describe, expect, test } from 'vitest';
import { ApiError } from '../../src/errors/errors.ts';
import { parseModeBody, parseSettings } from '../../src/replication/settings.ts';

const REQUIRED = { src_bucket: 'a', dst_bucket: 'b', dst_host: 'http://localhost:9000' };

function refusal(read: () => unknown): { status: number; message: string } {
  try {
    read();
  } catch (error) {
    if (error instanceof ApiError) return { status: error.status, message: error.message };
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('refusals', () => {
  const cases: readonly [title: string, body: unknown, text: string][] = [
    ['null as body', null, 'invalid type: null, expected struct ReplicationSettings'],
    ['an array as body', [], 'invalid type: sequence, expected struct ReplicationSettings'],
    ['no source bucket', { dst_bucket: 'b' }, 'missing field `src_bucket`'],
    ['no host', { src_bucket: 'a', dst_bucket: 'b' }, 'missing field `dst_host`'],
    [
      'null as bucket',
      { ...REQUIRED, dst_bucket: null },
      'invalid type: null, expected a string at `dst_bucket`',
    ],
    [
      'entries of another type',
      { ...REQUIRED, entries: 'a' },
      'invalid type: string, expected a sequence at `entries`',
    ],
    [
      'a number among the entries',
      { ...REQUIRED, entries: ['a', 1] },
      'invalid type: integer, expected a string at `entries`',
    ],
    [
      'a number as label value',
      { ...REQUIRED, include: { anomaly: 1 } },
      'invalid type: integer, expected a string at `include`',
    ],
    [
      'an array of labels',
      { ...REQUIRED, exclude: ['a'] },
      'invalid type: sequence, expected a map at `exclude`',
    ],
    [
      'an unknown mode',
      { ...REQUIRED, mode: 'Enabled' },
      'unknown variant `Enabled`, expected one of `enabled`, `paused`, `disabled` at `mode`',
    ],
    [
      'an unknown compression',
      { ...REQUIRED, compression: 'br' },
      'unknown variant `br`, expected one of `none`, `zstd`, `gzip` at `compression`',
    ],
    [
      'each_n of zero',
      { ...REQUIRED, each_n: 0 },
      'invalid value: integer `0`, expected an integer from 1 to 9007199254740991 at `each_n`',
    ],
    [
      'a negative each_n',
      { ...REQUIRED, each_n: -1 },
      'invalid value: integer `-1`, expected an integer from 1 to 9007199254740991 at `each_n`',
    ],
    [
      'a fraction as each_n',
      { ...REQUIRED, each_n: 1.5 },
      'invalid value: floating point `1.5`, expected an integer from 1 to 9007199254740991 at `each_n`',
    ],
    [
      'a text as each_n',
      { ...REQUIRED, each_n: '1' },
      'invalid type: string, expected u64 at `each_n`',
    ],
    [
      'a negative each_s',
      { ...REQUIRED, each_s: -0.5 },
      'invalid value: floating point `-0.5`, expected a finite number of seconds from 0 at `each_s`',
    ],
    [
      'an each_s beyond numbers',
      { ...REQUIRED, each_s: Number.POSITIVE_INFINITY },
      'invalid value: floating point `Infinity`, expected a finite number of seconds from 0 at `each_s`',
    ],
  ];

  test.each(cases)('%s is refused', (_title, body, text) => {
    expect(refusal(() => parseSettings(body, 'create', null))).toEqual({
      status: 422,
      message: `Invalid JSON: ${text}`,
    });
  });

  test('a token of another type is not repeated in the text', () => {
    const { message } = refusal(() =>
      parseSettings({ ...REQUIRED, dst_token: 123_456 }, 'create', null),
    );
    expect(message).toBe('Invalid JSON: invalid type: integer, expected a string at `dst_token`');
  });

  test('an endless variant is cut, since the text travels in a header', () => {
    expect(
      refusal(() => parseSettings({ ...REQUIRED, mode: 'x'.repeat(100_000) }, 'create', null))
        .message.length,
    ).toBeLessThan(250);
  });
});

describe('the body of PATCH mode', () => {
  test('names a mode', () => {
    expect(parseModeBody({ mode: 'disabled', more: 1 })).toBe('disabled');
  });

  test.each([
    [{}, 'missing field `mode`'],
    [{ mode: null }, 'invalid type: null, expected a string at `mode`'],
    [
      { mode: 'x' },
      'unknown variant `x`, expected one of `enabled`, `paused`, `disabled` at `mode`',
    ],
    ['paused', 'invalid type: string, expected struct ReplicationModePayload'],
  ])('%j is refused', (body, text) => {
    expect(refusal(() => parseModeBody(body))).toEqual({
      status: 422,
      message: `Invalid JSON: ${text}`,
    });
  });
});
