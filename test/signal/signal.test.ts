import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { littleEndianFromFloats } from '../../src/signal/float32.ts';
import { loadSignal, MAX_READ_BYTES } from '../../src/signal/signal.ts';
import { wavFile } from './wav-file.ts';

const RECORDING = {
  file: 'a.f32',
  samples: 2,
  sampleIntervalUs: 2500,
};
const MANIFEST = {
  name: 'Shaker',
  author: 'A Lab',
  licence: 'CC BY-SA 4.0',
  recordings: [RECORDING, { ...RECORDING, file: 'b.f32', samples: 1 }],
};

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-signal-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function put(name: string, content: Buffer | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function floats(...values: number[]): Buffer {
  return littleEndianFromFloats(Float32Array.from(values));
}

function putRecordings(manifest: unknown = MANIFEST): void {
  put('manifest.json', JSON.stringify(manifest));
  put('a.f32', floats(1, 2));
  put('b.f32', floats(3));
}

describe('loadSignal', () => {
  test('a WAV file tells its rate and that only one channel is used', () => {
    const file = put('x.wav', wavFile({ sampleBits: 8, channels: 2, data: Buffer.from([192, 0]) }));
    const signal = loadSignal({ file });
    expect(signal).toMatchObject({ name: 'x.wav', sampleRateHz: 12_000, synthetic: false });
    expect(signal.origin).toContain('12000 Hz, first of 2 channels');
    expect([...signal.samples]).toEqual([0.5]);
  });

  test.each(['x.f32', 'x.RAW', 'x.bin'])('%s is raw little-endian float32', (name) => {
    const signal = loadSignal({ file: put(name, floats(0.5, -0.25)) });
    expect([...signal.samples]).toEqual([0.5, -0.25]);
    expect(signal.sampleRateHz).toBe(0);
  });

  test.each(['x.csv', 'x.tsv', 'x.txt'])('%s is a table', (name) => {
    const signal = loadSignal({ file: put(name, 't\tx\n1\t0.5\n') });
    expect([...signal.samples]).toEqual([0.5]);
    expect(signal.origin).toContain('CSV, x');
  });

  test('of a file longer than the limit the head is used, whole lines only', () => {
    // The comment shifts the lines, so that the limit falls inside the last number of one.
    const line = `${'x'.repeat(245)},0.5000000\n`;
    const comment = '#\n';
    const lines = comment + line.repeat(MAX_READ_BYTES / 256 + 1);
    const signal = loadSignal({ file: put('long.csv', lines) });
    expect(signal.samples.length).toBe(Math.floor((MAX_READ_BYTES - comment.length) / 256));
    expect(signal.origin).toContain(`first ${MAX_READ_BYTES} of ${lines.length} bytes`);
  });

  test.each<[string, Buffer | string, RegExp]>([
    ['x.mp3', 'x', /is of an unknown kind/],
    ['x.wav', 'RIFF', /x\.wav' cannot be used: WAV: the file does not start with/],
    ['x.csv', 'a,b\n', /cannot be used: CSV: no line with a number/],
    ['x.f32', Buffer.alloc(5), /cannot be used: raw float32: 5 bytes is not a whole/],
    ['x.f32', '', /the file is empty/],
  ])('%s with unusable content is refused by name and reason', (name, content, reason) => {
    const file = put(name, content);
    expect(() => loadSignal({ file })).toThrow(reason);
    expect(() => loadSignal({ file })).toThrow(expect.objectContaining({ code: 'CONFIG' }));
  });

  test('a missing file and a folder are refused', () => {
    expect(() => loadSignal({ file: join(folder, 'no.wav') })).toThrow(
      /no\.wav' cannot be used: E/,
    );
    expect(() => loadSignal({ file: `${folder}/.wav` })).toThrow(/unknown kind/);
  });

  test('without a file the recordings of the folder are joined and named as real', () => {
    putRecordings();
    const signal = loadSignal({ recordingsFolder: folder });
    expect(signal).toMatchObject({ name: 'Shaker', sampleRateHz: 400, synthetic: false });
    expect(signal.origin).toMatch(/real recordings a\.f32, b\.f32 of .*A Lab, CC BY-SA 4\.0/);
    expect([...signal.samples]).toEqual([1, 2, 3]);
  });

  test.each<[string, unknown, RegExp]>([
    ['no author', { ...MANIFEST, author: undefined }, /manifest\.json: author/],
    ['no recordings', { ...MANIFEST, recordings: [] }, /manifest\.json: recordings/],
    [
      'a file elsewhere',
      { ...MANIFEST, recordings: [{ ...RECORDING, file: '../a.f32' }] },
      /recordings\.0\.file: is a file name without a folder/,
    ],
    [
      'a shorter recording',
      { ...MANIFEST, recordings: [{ ...RECORDING, samples: 3 }] },
      /a\.f32 holds 2 samples, its manifest says 3/,
    ],
    [
      'a missing recording',
      { ...MANIFEST, recordings: [{ ...RECORDING, file: 'c.f32' }] },
      /c\.f32 cannot be read/,
    ],
    [
      'two sampling intervals',
      { ...MANIFEST, recordings: [RECORDING, { ...RECORDING, sampleIntervalUs: 1 }] },
      /different sampling intervals/,
    ],
  ])('a recordings folder with %s is refused, not replaced', (_name, manifest, reason) => {
    putRecordings(manifest);
    expect(() => loadSignal({ recordingsFolder: folder })).toThrow(reason);
  });

  test('without file and recordings it is synthetic, seeded, and says so', () => {
    const signal = loadSignal({ recordingsFolder: folder, seed: 5 });
    expect(signal).toMatchObject({ synthetic: true, sampleRateHz: 12_000 });
    expect(signal.origin).toMatch(/^SYNTHETIC, seed 5/);
    expect(loadSignal({ recordingsFolder: folder, seed: 5 }).samples).toEqual(signal.samples);
  });
});
