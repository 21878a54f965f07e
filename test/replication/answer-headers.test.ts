import { describe, expect, test } from 'vitest';
import { UnavailableError } from '../../src/errors/errors.ts';
import {
  answerMessage,
  parseRecordErrors,
  parseRetryAfter,
  UNREADABLE_STATUS,
} from '../../src/replication/answer-headers.ts';

describe('per-record errors', () => {
  test('are read by timestamp, beyond the exact range of numbers', () => {
    const errors = parseRecordErrors({
      'content-length': '0',
      'x-reduct-api': '1.21',
      'x-reduct-error': 'whole',
      'x-reduct-error-1000': '409,A record with timestamp 1000 already exists',
      'x-reduct-error-18446744073709551615': ' 422 , a, b ',
    });
    expect([...errors]).toEqual([
      [1000n, { status: 409, message: 'A record with timestamp 1000 already exists' }],
      [18446744073709551615n, { status: 422, message: 'a, b' }],
    ]);
  });

  test('given twice or without a message are read as far as possible', () => {
    const errors = parseRecordErrors({
      'x-reduct-error-1': ['404,first', '500,second'],
      'x-reduct-error-2': '404,',
      'x-reduct-error-3': undefined,
    });
    expect([...errors]).toEqual([
      [1n, { status: 404, message: 'first' }],
      [2n, { status: 404, message: 'Unknown' }],
    ]);
  });

  test.each(['no code', 'x,y', '', '-1,z', '409'])('with the value %j stay errors', (value) => {
    expect(parseRecordErrors({ 'x-reduct-error-1': value }).get(1n)).toEqual({
      status: UNREADABLE_STATUS,
      message: value === '' ? 'Unknown' : value,
    });
  });

  test.each(['x-reduct-error-', 'x-reduct-error-abc', 'x-reduct-error--1', 'x-reduct-error-1x'])(
    'under the name %s make the answer worthless',
    (name) => {
      expect(() => parseRecordErrors({ [name]: '409,x' })).toThrow(UnavailableError);
    },
  );
});

test('the reason of a refusal is x-reduct-error, or Unknown', () => {
  expect(answerMessage({ 'x-reduct-error': 'Invalid token' })).toBe('Invalid token');
  expect(answerMessage({})).toBe('Unknown');
});

test('a redirect says where it leads, without what may be secret', () => {
  expect(answerMessage({ location: 'https://user:pw@other.example:1/api?token=x' })).toBe(
    'redirected to https://other.example:1: give the URL that it leads to as the host',
  );
  expect(answerMessage({ location: '/base/api/v1/b/x?token=y' })).toBe(
    'redirected to another path of this host: give the URL that it leads to as the host',
  );
  expect(answerMessage({ location: 'http://x', 'x-reduct-error': 'Moved' })).toBe('Moved');
});

describe('Retry-After', () => {
  const nowMs = Date.parse('2024-01-01T00:00:00Z');

  test.each([
    ['0', 0],
    ['120', 120_000],
    ['Mon, 01 Jan 2024 00:00:30 GMT', 30_000],
    ['Sun, 31 Dec 2023 23:59:00 GMT', 0],
    ['-1', null],
    ['1.5', null],
    ['soon', null],
    ['', null],
  ])('of %j is %j', (value, expected) => {
    expect(parseRetryAfter({ 'retry-after': value }, nowMs)).toBe(expected);
  });

  test('may be absent', () => {
    expect(parseRetryAfter({}, nowMs)).toBeNull();
  });
});
