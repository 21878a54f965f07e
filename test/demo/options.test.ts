import { describe, expect, test } from 'vitest';
import { demoCommand, parseOptions, type DemoOptions } from '../../src/demo/options.ts';

function parse(...args: string[]): DemoOptions {
  const command = demoCommand().configureOutput({
    writeErr: () => undefined,
    writeOut: () => undefined,
  });
  return parseOptions(args, command);
}

describe('options of the demo', () => {
  test('without arguments it takes about half a minute and leaves nothing behind', () => {
    expect(parse()).toEqual({
      signalFile: undefined,
      seconds: 15,
      recordsPerSecond: 20_000,
      keep: false,
    });
  });

  test('all options are taken', () => {
    expect(parse('--signal', 'a.wav', '--seconds=30', '--rate', '500', '--keep')).toEqual({
      signalFile: 'a.wav',
      seconds: 30,
      recordsPerSecond: 500,
      keep: true,
    });
  });

  test.each([
    ['--seconds', '4'],
    ['--seconds', '1e2'],
    ['--seconds', ''],
    ['--rate', '99'],
    ['--rate', '-500'],
    ['--signal'],
    ['--what'],
    ['extra'],
  ])('%s %s is refused', (...args) => {
    expect(() => parse(...args)).toThrow(expect.objectContaining({ exitCode: 1 }));
  });

  test('--help names every option and is no error', () => {
    expect(() => parse('--help')).toThrow(expect.objectContaining({ exitCode: 0 }));
    const help = demoCommand().helpInformation();
    for (const flag of ['--signal', '--seconds', '--rate', '--keep']) expect(help).toContain(flag);
  });
});
