import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batchHeaders, parseBatch, parseRecordErrors } from '../../src/demo/batch-text.ts';
import { sensorSource } from './sources.ts';

describe('batch protocol v1 as the demo speaks it', () => {
  test('a record header has length, content type and labels', () => {
    const headers = batchHeaders(sensorSource(0), 0, 1);
    expect(headers).toEqual({
      'x-reduct-time-1700000000000000':
        '1024,application/x-float32,engine_status=working,sensor_status=ok',
    });
  });

  test('a written batch is read back as the records of its sensor', () => {
    fc.assert(
      fc.property(
        fc.nat(3),
        fc.nat(3_000),
        fc.integer({ min: 1, max: 80 }),
        (sensor, first, count) => {
          const source = sensorSource(sensor);
          const headers = batchHeaders(source, first, count);
          const records = parseBatch(headers, source.body(first, count));
          const expected = [...source.records(first + count)].slice(first);
          expect(records).toEqual(expected);
        },
      ),
      { numRuns: 20 },
    );
  });

  test('records come in ascending time whatever the order of the headers, sorted as numbers', () => {
    const records = parseBatch(
      { 'x-reduct-time-1000': '1,b', date: 'now', 'x-reduct-time-999': '2,a', server: 'x' },
      Buffer.from('xyz'),
    );
    expect(records.map(({ timestampUs, payload }) => [timestampUs, payload.toString()])).toEqual([
      [999n, 'xy'],
      [1000n, 'z'],
    ]);
  });

  test.each<[string, object]>([
    ['0,text/plain', {}],
    ['0,', {}],
    ['0,text/plain,a=1,b=', { a: '1', b: '' }],
    ['0,text/plain,a="x,y=z",b=2', { a: 'x,y=z', b: '2' }],
    ['0,text/plain,a=x=y', { a: 'x=y' }],
  ])('labels of %j', (value, labels) => {
    expect(parseBatch({ 'x-reduct-time-1': value }, Buffer.alloc(0))[0]?.labels).toEqual(labels);
  });

  test('a body that does not fit the headers is refused', () => {
    const headers = { 'x-reduct-time-1': '3,text/plain' };
    expect(() => parseBatch(headers, Buffer.alloc(2))).toThrow(/announce 3 bytes, the body has 2/);
    expect(() => parseBatch(headers, Buffer.alloc(4))).toThrow(/announce 3 bytes, the body has 4/);
    expect(() => parseBatch({ 'x-reduct-time-1': 'x' }, Buffer.alloc(0))).toThrow(/no length/);
    const repeated = { 'x-reduct-time-1': ['0,a', '0,b'] };
    expect(() => parseBatch(repeated, Buffer.alloc(0))).toThrow(/repeated/);
  });

  test('record errors are split at the first comma', () => {
    const headers = { 'x-reduct-error-7': '409,A record, it exists', 'x-reduct-error': 'other' };
    expect(parseRecordErrors(headers)).toEqual([
      { timestampUs: 7n, status: 409, text: 'A record, it exists' },
    ]);
  });
});
