import { describe, expect, test } from 'vitest';
import { createLogger } from '../../src/logging/logger.ts';
import type { Logger } from '../../src/logging/logger.ts';
import { MAX_KEYS, rateLimited } from '../../src/logging/rate-limit.ts';

interface Setup {
  readonly log: Logger;
  readonly messages: () => unknown[];
  readonly suppressed: () => unknown[];
  readonly clock: { nowMs: number };
  readonly now: () => number;
}

function setup(): Setup {
  const records: Record<string, unknown>[] = [];
  const stream = { write: (line: string): number => records.push(JSON.parse(line)) };
  const clock = { nowMs: 1000 };
  return {
    log: createLogger({ logLevels: { base: 'INFO', parts: {} }, logFormat: 'json' }, stream),
    messages: () => records.map(({ msg }) => msg),
    suppressed: () => records.map(({ suppressed }) => suppressed),
    clock,
    now: () => clock.nowMs,
  };
}

describe('a rate-limited key', () => {
  test('writes the first line at once and then one per interval, with the number left out', () => {
    const { log, messages, suppressed, clock, now } = setup();
    for (let attempt = 0; attempt < 25; attempt += 1) {
      rateLimited(log, 'unreachable', 1000, now).warn({ attempt }, `attempt ${attempt}`);
      clock.nowMs += 100;
    }
    expect(messages()).toStrictEqual(['attempt 0', 'attempt 10', 'attempt 20']);
    expect(suppressed()).toStrictEqual([undefined, 9, 9]);
  });

  test('writes again exactly when the interval has passed', () => {
    const { log, messages, clock, now } = setup();
    const noise = rateLimited(log, 'k', 1000, now);
    noise.warn('first');
    clock.nowMs += 999;
    noise.warn('early');
    clock.nowMs += 1;
    noise.warn('due');
    expect(messages()).toStrictEqual(['first', 'due']);
  });

  test('does not hold back another key, nor the same key of another logger', () => {
    const { log, messages, now } = setup();
    const other = log.child('other');
    rateLimited(log, 'a', 1000, now).warn('a');
    rateLimited(log, 'b', 1000, now).warn('b');
    rateLimited(other, 'a', 1000, now).warn('a of other');
    rateLimited(log, 'a', 1000, now).error('left out');
    expect(messages()).toStrictEqual(['a', 'b', 'a of other']);
  });

  test('is written at once after a reset, which tells how many lines were left out', () => {
    const { log, messages, suppressed, now } = setup();
    const noise = rateLimited(log, 'k', 1000, now);
    noise.warn('down');
    noise.warn('still down');
    noise.warn('still down');
    expect(noise.reset()).toBe(2);
    expect(noise.reset()).toBe(0);
    noise.warn('down again');
    expect(messages()).toStrictEqual(['down', 'down again']);
    expect(suppressed()).toStrictEqual([undefined, undefined]);
  });

  test('does not count lines below the level of the logger', () => {
    const { log, messages, now } = setup();
    const noise = rateLimited(log, 'k', 1000, now);
    noise.debug('unseen');
    noise.info('seen');
    expect(messages()).toStrictEqual(['seen']);
  });

  test('with an interval of 0 every line is written', () => {
    const { log, messages, now } = setup();
    const noise = rateLimited(log, 'k', 0, now);
    noise.info('one');
    noise.info({ n: 2 }, 'two');
    expect(messages()).toStrictEqual(['one', 'two']);
  });
});

test('memory for keys is bounded: the key used longest ago is forgotten', () => {
  const { log, messages, now } = setup();
  for (let key = 0; key <= MAX_KEYS; key += 1) rateLimited(log, `k${key}`, 1000, now).info('x');
  const before = messages().length;
  rateLimited(log, 'k1', 1000, now).info('still remembered');
  rateLimited(log, 'k0', 1000, now).info('forgotten');
  expect(messages().slice(before)).toStrictEqual(['forgotten']);
});
