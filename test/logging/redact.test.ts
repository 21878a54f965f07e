import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ApiError, UnavailableError } from '../../src/errors/errors.ts';
import { redactFields, redactMessage, redactText } from '../../src/logging/redact.ts';

describe('secrets', () => {
  test.each([
    'authorization',
    'Authorization',
    'proxy-authorization',
    'set-cookie',
    'token',
    'apiToken',
    'dst_token',
    'RS_API_TOKEN',
    'password',
  ])('the value of %s is not logged at any depth', (name) => {
    const fields = { [name]: 'hunter2', request: { headers: [{ [name]: ['hunter2'] }] } };
    expect(redactFields(fields)).toStrictEqual({
      [name]: '***',
      request: { headers: [{ [name]: '***' }] },
    });
  });

  test('names that only resemble secrets are logged', () => {
    const fields = { tokenName: 'writer', tokens: 3, bucket: 'data', isSecret: false };
    expect(redactFields(fields)).toStrictEqual(fields);
  });

  test('a secret that is not set is shown as not set', () => {
    expect(redactFields({ token: undefined })).toStrictEqual({ token: undefined });
  });

  test('bearer tokens and URL credentials are cut out of texts', () => {
    expect(redactText('sent authorization: Bearer abc-123.x, got 401')).toBe(
      'sent authorization: Bearer ***, got 401',
    );
    expect(redactText('GET http://user:pw@edge-1:8383/b/x?q=a@b')).toBe(
      'GET http://***@edge-1:8383/b/x?q=a@b',
    );
    expect(redactText('http://edge-1:8383/b/x@y')).toBe('http://edge-1:8383/b/x@y');
  });

  test('no bearer token of any shape survives in a field, a message or an error', () => {
    const token = fc.stringMatching(/^[\w.~+/=-]{8,40}$/);
    fc.assert(
      fc.property(token, (value) => {
        const error = new Error(`refused: Bearer ${value}`, { cause: `Bearer ${value}` });
        const logged = JSON.stringify(redactFields({ error, note: `x Bearer ${value}` }));
        expect(logged).not.toContain(value);
        expect(redactMessage(`Bearer ${value}`)).not.toContain(value);
      }),
    );
  });
});

describe('values', () => {
  test('bytes appear as their length only', () => {
    const fields = {
      buffer: Buffer.from('payload'),
      view: new Float64Array(2),
      plain: new ArrayBuffer(3),
      shared: new SharedArrayBuffer(4),
    };
    expect(redactFields(fields)).toStrictEqual({
      buffer: '[7 bytes]',
      view: '[16 bytes]',
      plain: '[3 bytes]',
      shared: '[4 bytes]',
    });
  });

  test('timestamps beyond 2^53 keep all digits', () => {
    expect(redactFields({ ts: 18446744073709551615n })).toStrictEqual({
      ts: '18446744073709551615',
    });
  });

  test('errors keep type, message, own fields and causes', () => {
    const error = new UnavailableError('upload memory is used up', {
      hint: 'Raise MILLRACE_UPLOAD_MEMORY.',
      cause: new ApiError(409, 'exists'),
    });
    expect(redactFields({ err: error })).toMatchObject({
      err: {
        type: 'UnavailableError',
        code: 'UNAVAILABLE',
        status: 503,
        message: 'upload memory is used up',
        hint: 'Raise MILLRACE_UPLOAD_MEMORY.',
        stack: expect.stringContaining('redact.test'),
        cause: { type: 'ApiError', status: 409, message: 'exists' },
      },
    });
  });

  test('circular values end', () => {
    const loop: Record<string, unknown> = { name: 'loop' };
    loop['self'] = loop;
    expect(JSON.stringify(redactFields({ loop }))).toContain('[…]');
  });

  test('the argument is not changed', () => {
    const fields = Object.freeze({ token: 'hunter2', list: Object.freeze(['Bearer abc']) });
    redactFields(fields);
    expect(fields).toStrictEqual({ token: 'hunter2', list: ['Bearer abc'] });
  });

  test('a message stays one line and cannot steer the terminal', () => {
    expect(redactMessage('entry \u001b[2J\r\nERROR forged')).toBe('entry �[2J��ERROR forged');
  });
});
