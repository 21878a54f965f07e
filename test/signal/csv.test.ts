import { describe, expect, test } from 'vitest';
import { decodeCsv } from '../../src/signal/csv.ts';

function samplesOf(text: string): number[] {
  return [...decodeCsv(text).samples];
}

describe('decodeCsv', () => {
  test('takes the last numeric column, named by the header', () => {
    const { name, samples } = decodeCsv('time,accel,unit\n0,0.5,g\n1,-0.25,g\n');
    expect(name).toBe('accel');
    expect([...samples]).toEqual([0.5, -0.25]);
  });

  test('works without a header', () => {
    expect(decodeCsv('1;2\n3;4').name).toBe('column 2');
    expect(samplesOf('1\n2\n')).toEqual([1, 2]);
  });

  test.each([
    ['comma', '1,2.5\n3,4.5\n'],
    ['semicolon', '1;2.5\n3;4.5\n'],
    ['tab', '1\t2.5\n3\t4.5\n'],
    ['blanks', '1   2.5\n 3 4.5\n'],
    ['semicolon and decimal comma', '1,0;2,5\n3,0;4,5\n'],
    ['tab and decimal comma', '1\t2,5\n3\t4,5\n'],
    ['CRLF', '1,2.5\r\n3,4.5\r\n'],
    ['quotes', '"1","2.5"\n"3","4.5"\n'],
    ['a quoted separator', '"a,b",2.5\n"c,d",4.5\n'],
    ['a byte order mark', '\ufeff1,2.5\n3,4.5'],
    ['exponents', '1,25e-1\n3,+4.5E0\n'],
    ['comments and empty lines', '# logged at night\n\n1,2.5\n\n# pause\n3,4.5\n'],
  ])('reads %s', (_name, text) => {
    expect(samplesOf(text)).toEqual([2.5, 4.5]);
  });

  test('a preamble before the header is skipped', () => {
    const { name, samples } = decodeCsv('Logger\nSerial abc\nt;x\n1;2\n');
    expect([name, ...samples]).toEqual(['x', 2]);
  });

  test.each([
    ['', /no line with a number/],
    ['a,b\nc,d\n', /no line with a number/],
    [`${'text\n'.repeat(100)}1\n`, /no line with a number/],
    ['t,x\n1,2\n2,NaN\n', /line 3: 'NaN' in x is not a number/],
    ['t,x\n1,2\n2\n', /line 3: '' in x is not a number/],
    ['1,2\n3,4x\n', /line 2: '4x' in column 2 is not a number/],
    ['1,2\n3,Infinity\n', /line 2: 'Infinity'/],
  ])('refuses %j with the reason', (text, reason) => {
    expect(() => decodeCsv(text)).toThrow(reason);
  });
});
