import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LOG_LEVELS, parseDuration, parseOption, parseSize } from '../../src/config/kinds.ts';
import type { Kind, OptionSpec, OptionValue } from '../../src/config/kinds.ts';
import { OPTION_ROWS } from '../../src/config/options.ts';

function parse(kind: Kind, text: string, more: Partial<OptionSpec> = {}): OptionValue | undefined {
  return parseOption({ env: 'X', kind, group: 'G', description: 'D', ...more }, text);
}

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['512', 512],
    ['512B', 512],
    ['1KB', 1000],
    ['1kb', 1000],
    ['1KiB', 1024],
    ['10 GB', 10_000_000_000],
    ['1MiB', 1_048_576],
    ['1.5MiB', 1_572_864],
    ['1.1KB', 1100],
    ['2TiB', 2 * 2 ** 40],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(['', 'KB', '-1', '1.5', '1K', '1 XB', '1e3', '0x10', '1,000', '10 GB 5', '99999999TB'])(
    '%j is refused',
    (text) => {
      expect(parseSize(text)).toBeUndefined();
    },
  );

  test('every whole number of a unit is exactly that many bytes', () => {
    const units = fc.constantFrom<[string, number]>(['', 1], ['KB', 1e3], ['MiB', 2 ** 20]);
    fc.assert(
      fc.property(fc.nat(1_000_000), units, (count, [unit, factor]) => {
        expect(parseSize(`${count}${unit}`)).toBe(count * factor);
        expect(parseSize(`${count} ${unit.toLowerCase()}`.trim())).toBe(count * factor);
      }),
    );
  });
});

describe('durations', () => {
  test('a plain number has the unit of the variable', () => {
    expect(parseDuration('5', 's')).toBe(5000);
    expect(parseDuration('5', 'ms')).toBe(5);
    expect(parseDuration('0.25', 's')).toBe(250);
  });

  test('a unit in the value wins over that of the variable', () => {
    expect(parseDuration('500ms', 's')).toBe(500);
    expect(parseDuration('2 m', 'ms')).toBe(120_000);
    expect(parseDuration('1h', 's')).toBe(3_600_000);
  });

  test.each(['-5', '5 days', '0.5ms', 's', '1e3'])('%j is refused', (text) => {
    expect(parseDuration(text, 's')).toBeUndefined();
  });
});

describe('rates', () => {
  test.each([
    ['100', 100, 3_600_000],
    ['100req', 100, 3_600_000],
    ['100req/s', 100, 1000],
    ['100 req / 1s', 100, 1000],
    ['1000/10m', 1000, 600_000],
    ['5/500ms', 5, 500],
    ['7/H', 7, 3_600_000],
  ])('%s is %d requests in %d ms', (text, amount, periodMs) => {
    expect(parse('request-rate', text)).toStrictEqual({ amount, periodMs });
  });

  test.each([
    ['10MB/s', 10_000_000, 1000],
    ['1KiB/2h', 1024, 7_200_000],
    ['10 GB', 10_000_000_000, 3_600_000],
  ])('%s is %d bytes in %d ms', (text, amount, periodMs) => {
    expect(parse('byte-rate', text)).toStrictEqual({ amount, periodMs });
  });

  test.each(['', '0', '0/s', '10/', '10/5', '10/0s', '-1/s', '1.5/s', '10MB/s', '10/s/s', 'req/s'])(
    '%j is no rate of requests',
    (text) => {
      expect(parse('request-rate', text)).toBeUndefined();
    },
  );

  test.each(['100req/s', '0', '10MB/fortnight'])('%j is no rate of bytes', (text) => {
    expect(parse('byte-rate', text)).toBeUndefined();
  });
});

describe('bounds', () => {
  test('are part of what is accepted, in the unit in which they are written', () => {
    const bounds = { min: '1MiB', max: '1GiB' };
    expect(parse('size', '1048576', bounds)).toBe(1_048_576);
    expect(parse('size', '1048575', bounds)).toBeUndefined();
    expect(parse('size', '1GiB', bounds)).toBe(2 ** 30);
    expect(parse('size', '1073741825', bounds)).toBeUndefined();
    expect(parse('duration', '100ms', { unit: 's', min: '0.1', max: '1' })).toBe(100);
    expect(parse('duration', '99ms', { unit: 's', min: '0.1', max: '1' })).toBeUndefined();
  });
});

describe('other kinds', () => {
  test.each<[Kind, string, OptionValue | undefined]>([
    ['integer', '85', 85],
    ['integer', '85.0', undefined],
    ['integer', '0x55', undefined],
    ['integer', '9007199254740993', undefined],
    ['boolean', 'true', true],
    ['boolean', 'False', false],
    ['boolean', 'yes', undefined],
    ['boolean', '1', undefined],
    ['boolean', 'constructor', undefined],
    ['switch', 'On', true],
    ['switch', '1', true],
    ['switch', 'no', false],
    ['switch', 'maybe', undefined],
    ['host', '::1', '::1'],
    ['host', '[::1]', '::1'],
    ['host', 'edge-1.local', 'edge-1.local'],
    ['host', 'edge-1:8383', undefined],
    ['host', 'http://edge-1', undefined],
    ['base-path', 'api', '/api/'],
    ['base-path', '/a/b.c/', '/a/b.c/'],
    ['base-path', '/', '/'],
    ['base-path', '/a//b', undefined],
    ['base-path', '/a/../b', undefined],
    ['base-path', '/a?b', undefined],
    ['public-url', 'https://edge.example', 'https://edge.example/'],
    ['public-url', 'http://[::1]:8383/base', 'http://[::1]:8383/base/'],
    ['public-url', 'edge.example', undefined],
    ['public-url', 'ftp://edge.example', undefined],
    ['public-url', 'https://user@edge.example', undefined],
    ['public-url', 'https://edge.example/?a=b', undefined],
    ['token', 'XXXX', 'XXXX'],
    ['token', 'with space', undefined],
    ['token', 'töken', undefined],
    ['text', './data', './data'],
    ['text', 'a\nb', undefined],
    ['size', '5 constructor', undefined],
  ])('%s %j gives %j', (kind, text, value) => {
    expect(parse(kind, text)).toStrictEqual(value);
  });

  test('a list is trimmed and has no empty items', () => {
    expect(parse('list', ' https://a.com, ,https://b.com ,')).toStrictEqual([
      'https://a.com',
      'https://b.com',
    ]);
  });

  test('a choice is found in any case and given in its own', () => {
    const choices = { choices: ['NONE', 'FIFO'] };
    expect(parse('choice', 'fifo', choices)).toBe('FIFO');
    expect(parse('choice', 'fif', choices)).toBeUndefined();
  });

  test('log levels have a base and exceptions by part', () => {
    expect(parse('log-levels', 'warn')).toStrictEqual({ base: 'WARN', parts: {} });
    expect(parse('log-levels', 'INFO, replication=debug,http=ERROR')).toStrictEqual({
      base: 'INFO',
      parts: { replication: 'DEBUG', http: 'ERROR' },
    });
    expect(parse('log-levels', 'replication=TRACE')).toStrictEqual({
      base: 'INFO',
      parts: { replication: 'TRACE' },
    });
  });

  test.each(['LOUD', 'INFO,replication=LOUD', '=DEBUG', 'a=b=DEBUG'])(
    'log levels %j are refused',
    (text) => {
      expect(parse('log-levels', text)).toBeUndefined();
    },
  );

  test('levels are in rising order', () => {
    expect(LOG_LEVELS).toStrictEqual(['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR']);
  });
});

describe('the table', () => {
  test('every default and every bound is accepted by its own row', () => {
    for (const [name, spec] of OPTION_ROWS) {
      for (const text of [spec.default, spec.min, spec.max]) {
        if (text !== undefined) expect(parseOption(spec, text), `${name} ${text}`).toBeDefined();
      }
    }
  });

  test('a row has a default, or a rule for it, or neither, and never both', () => {
    for (const [name, spec] of OPTION_ROWS) {
      expect(spec.default !== undefined && spec.derived !== undefined, name).toBe(false);
    }
  });

  test('variables are unique and have one of the two prefixes', () => {
    const names = OPTION_ROWS.map(([, spec]) => spec.env);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^(RS|MILLRACE)_[A-Z_]+$/);
  });

  test('names of sizes end in Bytes and names of durations in Ms', () => {
    for (const [name, spec] of OPTION_ROWS) {
      expect(name.endsWith('Bytes'), name).toBe(spec.kind === 'size');
      expect(name.endsWith('Ms'), name).toBe(spec.kind === 'duration');
    }
  });
});
