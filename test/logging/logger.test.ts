import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { LogLevels } from '../../src/config/kinds.ts';
import { createLogger, silentLogger } from '../../src/logging/logger.ts';
import type { Logger, LogSettings } from '../../src/logging/logger.ts';

interface Captured {
  readonly log: Logger;
  readonly lines: string[];
  readonly records: () => Record<string, unknown>[];
}

function capture(
  levels: Partial<LogLevels> = {},
  logFormat: LogSettings['logFormat'] = 'json',
): Captured {
  const lines: string[] = [];
  const stream = { write: (line: string): number => lines.push(line) };
  const logLevels: LogLevels = { base: 'INFO', parts: {}, ...levels };
  return {
    log: createLogger({ logLevels, logFormat }, stream),
    lines,
    records: () => lines.map((line): Record<string, unknown> => JSON.parse(line)),
  };
}

describe('lines', () => {
  test('are JSON objects with time, level, part, fields and message', () => {
    const { log, records } = capture();
    log.child('replication', { task: 'to-cloud' }).warn({ attempt: 3 }, 'target unreachable');
    expect(records()).toStrictEqual([
      {
        level: 'warn',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        part: 'replication',
        task: 'to-cloud',
        attempt: 3,
        msg: 'target unreachable',
      },
    ]);
  });

  test('end with one line feed each, whatever the message holds', () => {
    const { log, lines } = capture();
    log.info('first\nsecond');
    log.info({ text: 'a\nb' }, 'third');
    expect(lines.map((line) => line.indexOf('\n') === line.length - 1)).toStrictEqual([true, true]);
  });

  test('never hold tokens, be it in fields, child fields, errors or messages', () => {
    const { log, lines } = capture();
    const child = log.child('http', { headers: { authorization: 'Bearer hunter2' } });
    child.info({ apiToken: 'hunter2', err: new Error('Bearer hunter2') }, 'sent Bearer hunter2');
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain('hunter2');
  });

  test('hold errors with code and cause', () => {
    const { log, records } = capture();
    log.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'failed');
    expect(records()[0]).toMatchObject({
      err: { type: 'Error', message: 'outer', cause: { message: 'inner' } },
    });
  });
});

describe('levels', () => {
  const everyLevel = (log: Logger): void => {
    log.trace('trace');
    log.debug('debug');
    log.info('info');
    log.warn('warn');
    log.error('error');
  };

  test.each([
    ['TRACE', ['trace', 'debug', 'info', 'warn', 'error']],
    ['DEBUG', ['debug', 'info', 'warn', 'error']],
    ['INFO', ['info', 'warn', 'error']],
    ['WARN', ['warn', 'error']],
    ['ERROR', ['error']],
  ] as const)('%s lets %j through', (base, expected) => {
    const { log, records } = capture({ base });
    everyLevel(log);
    expect(records().map(({ msg }) => msg)).toStrictEqual(expected);
    expect(records().map(({ level }) => level)).toStrictEqual(expected);
  });

  test('a part has its own level, and its children inherit it', () => {
    const { log, records } = capture({ base: 'WARN', parts: { replication: 'DEBUG' } });
    const part = log.child('replication');
    part.debug('part');
    part.child('sender').debug('child of part');
    log.child('http').info('other part');
    log.child('constructor').info('name of a built-in');
    expect(records().map(({ msg }) => msg)).toStrictEqual(['part', 'child of part']);
  });

  test('isEnabled tells before work is done for a line', () => {
    const { log } = capture({ base: 'INFO' });
    expect(log.isEnabled('DEBUG')).toBe(false);
    expect(log.isEnabled('INFO')).toBe(true);
  });

  test('the silent logger is enabled for nothing', () => {
    expect(silentLogger.isEnabled('ERROR')).toBe(false);
    expect(silentLogger.child('x').isEnabled('ERROR')).toBe(false);
    silentLogger.error({ a: 1 }, 'unseen');
  });
});

describe('text for people', () => {
  test('has time, level, part and fields', () => {
    const { log, lines } = capture({}, 'pretty');
    log.child('ring').info({ sizeBytes: 64 }, 'ready');
    expect(lines.join('')).toMatch(
      /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: \[ring\] ready\n +sizeBytes: 64\n$/,
    );
  });

  test('is not the default where there is no terminal', () => {
    const { log, records } = capture({}, 'auto');
    log.info('plain');
    expect(records()[0]).toMatchObject({ msg: 'plain' });
  });
});

describe('standard output', () => {
  const logger = new URL('../../dist/src/logging/logger.js', import.meta.url);

  test.each(['json', 'pretty'])('has every %s line of a process that exits at once', (format) => {
    const program = `
      const { createLogger } = await import(${JSON.stringify(logger.href)});
      const log = createLogger({ logLevels: { base: 'INFO', parts: {} }, logFormat: '${format}' });
      for (let line = 0; line < 2000; line += 1) log.info('line ' + line);
      process.exit(0);`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      encoding: 'utf8',
    });
    const found = [...output.matchAll(/line (\d+)/g)].map(([, line]) => Number(line));
    expect(found).toStrictEqual(Array.from({ length: 2000 }, (_, line) => line));
  });
});
