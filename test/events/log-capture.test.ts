import { describe, expect, test } from 'vitest';
import { EventClock } from '../../src/events/event-clock.ts';
import { LogCapture } from '../../src/events/log-capture.ts';
import type { SystemEvent } from '../../src/events/types.ts';
import { createLogger } from '../../src/logging/logger.ts';
import type { Logger } from '../../src/logging/logger.ts';
import { rateLimited } from '../../src/logging/rate-limit.ts';

interface Harness {
  readonly logger: Logger;
  readonly capture: LogCapture;
  readonly printed: string[];
  /** What the lines so far become. */
  readonly take: (systemTasks?: readonly string[]) => SystemEvent[];
}

function newHarness(level: 'DEBUG' | 'WARN' | 'OFF' = 'WARN'): Harness {
  const printed: string[] = [];
  const plain = createLogger(
    { logLevels: { base: 'INFO', parts: {} }, logFormat: 'json' },
    { write: (line) => printed.push(line) },
  );
  const capture = new LogCapture({ level, clock: new EventClock(() => 1) });
  return {
    logger: capture.attach(plain),
    capture,
    printed,
    take: (systemTasks = []) => {
      const events: SystemEvent[] = [];
      capture.flush({ emit: (event) => events.push(event) }, new Set(systemTasks));
      return events;
    },
  };
}

describe('a captured log', () => {
  test('goes on to write its lines, and those at the level or above it become events', () => {
    const { logger, printed, take } = newHarness();
    logger.info('nothing to see');
    logger.child('query').warn({ entry: 'sensor' }, 'slow');
    logger.error('broken');
    expect(printed).toHaveLength(3);
    expect(take()).toMatchObject([
      {
        family: 'logs',
        name: 'messages',
        status: 200,
        message: 'slow {"entry":"sensor"}',
        labels: ['level', 'WARN'],
        fields: { level: 'WARN', target: 'query' },
      },
      { status: 500, message: 'broken', labels: ['level', 'ERROR'] },
    ]);
    expect(take()).toEqual([]);
  });

  test('says where in the program a line was written, through helpers of logging, too', () => {
    const { logger, take } = newHarness();
    logger.warn('here');
    rateLimited(logger, 'key', 1_000).warn('there');
    for (const { fields } of take()) {
      expect(fields['file']).toBe('test/events/log-capture.test.ts');
      expect(fields['line']).toBeGreaterThan(50);
    }
  });

  test('takes lines that the log itself is too coarse for', () => {
    const { logger, printed, take } = newHarness('DEBUG');
    expect(logger.isEnabled('DEBUG')).toBe(true);
    expect(logger.isEnabled('TRACE')).toBe(false);
    logger.debug('fine');
    expect(printed).toEqual([]);
    expect(take()).toHaveLength(1);
  });

  test('OFF leaves the logger as it is', () => {
    const { logger, take } = newHarness('OFF');
    logger.error('broken');
    expect(take()).toEqual([]);
  });

  test('holds no secrets, no stacks, and no more than is sensible', () => {
    const { logger, take } = newHarness();
    const err = new Error('refused: Bearer abc', { cause: new Error('because') });
    logger.child('replication', { dstToken: 'hunter2' }).error({ err }, 'failed');
    logger.error({ text: 'x'.repeat(100_000) }, 'long');
    const [failed, long] = take();
    expect(failed?.message).toContain('because');
    expect(failed?.message).not.toMatch(/hunter2|abc|log-capture/);
    expect(long?.message.length).toBeLessThanOrEqual(4_096);
  });

  test('keeps a bounded number of lines between two hand-overs and counts the rest', () => {
    const { logger, capture, take } = newHarness();
    for (let i = 0; i < 300; i++) logger.warn(`line ${i}`);
    expect(take()).toHaveLength(256);
    expect(capture.droppedLines).toBe(44);
    logger.warn('again');
    expect(take()).toHaveLength(1);
  });

  test('leaves out what replication says about tasks that send $system', () => {
    const { logger, take } = newHarness();
    const replication = logger.child('replication');
    const write = (): void => {
      replication.warn({ task: 'to-cloud' }, 'refused');
      replication.warn({ task: 'events' }, 'refused');
      replication.error('a thread died');
      logger.child('http').error({ task: 'events' }, 'not of replication');
    };
    write();
    const messages = (events: readonly SystemEvent[]): string[] =>
      events.map(({ message }) => message);
    expect(messages(take(['events']))).toEqual([
      'refused {"task":"to-cloud"}',
      'not of replication {"task":"events"}',
    ]);
    write();
    expect(messages(take())).toHaveLength(4);
  });
});
