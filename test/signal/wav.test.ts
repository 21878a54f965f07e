import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeWav } from '../../src/signal/wav.ts';
import { chunk, formatChunk, riff, wavFile, type WavSpec } from './wav-file.ts';

function decode(file: Buffer): ReturnType<typeof decodeWav> {
  return decodeWav(file, file.length);
}

const int16 = (values: readonly number[]): Buffer => {
  const data = Buffer.alloc(values.length * 2);
  values.forEach((value, index) => data.writeInt16LE(value, index * 2));
  return data;
};

describe('decodeWav', () => {
  test('scales integer samples of 8, 16, 24 and 32 bits to [-1, 1)', () => {
    const cases: [number, number[]][] = [
      [8, [0x00, 0x80, 0xc0]],
      [16, [0x00, 0x80, 0x00, 0x00, 0x00, 0x40]],
      [24, [0x00, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40]],
      [32, [0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40]],
    ];
    for (const [sampleBits, bytes] of cases) {
      const { samples } = decode(wavFile({ sampleBits, data: Buffer.from(bytes) }));
      expect([...samples], `${sampleBits} bits`).toEqual([-1, 0, 0.5]);
    }
  });

  test('float samples of 32 and 64 bits come out as they are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 50 }),
        (values) => {
          const single = Buffer.alloc(values.length * 4);
          const double = Buffer.alloc(values.length * 8);
          values.forEach((value, index) => {
            single.writeFloatLE(value, index * 4);
            double.writeDoubleLE(value, index * 8);
          });
          for (const [sampleBits, data] of [
            [32, single],
            [64, double],
          ] as const) {
            expect([...decode(wavFile({ tag: 3, sampleBits, data })).samples]).toEqual(values);
          }
        },
      ),
    );
  });

  test('of several channels the first is taken', () => {
    const data = int16([16384, 1, 2, -16384, 3, 4]);
    const audio = decode(wavFile({ sampleBits: 16, channels: 3, sampleRateHz: 48_000, data }));
    expect(audio).toEqual({
      sampleRateHz: 48_000,
      channels: 3,
      samples: Float32Array.of(0.5, -0.5),
    });
  });

  test('an extensible format is read through its sub-format', () => {
    const data = Buffer.alloc(4);
    data.writeFloatLE(0.25);
    const file = wavFile({ extensible: true, tag: 3, sampleBits: 32, data });
    expect([...decode(file).samples]).toEqual([0.25]);
  });

  test('other chunks are skipped, an odd one with its pad byte', () => {
    const extra = Buffer.concat([
      chunk('LIST', Buffer.from('abc')),
      chunk('fact', Buffer.alloc(4)),
    ]);
    const file = wavFile({ sampleBits: 16, data: int16([8192]), extra });
    expect([...decode(file).samples]).toEqual([0.25]);
  });

  test('data of unknown size reaches to the end of the file', () => {
    const data = int16([8192, 16384]);
    const file = wavFile({ sampleBits: 16, data, announcedBytes: 0xffff_ffff });
    expect([...decode(file).samples]).toEqual([0.25, 0.5]);
  });

  test('of the head of a longer file the samples it holds are returned', () => {
    const file = wavFile({ sampleBits: 16, data: int16([8192, 16384, 1, 2]) });
    const head = file.subarray(0, 44 + 5);
    expect([...decodeWav(head, file.length).samples]).toEqual([0.25, 0.5]);
  });

  describe('refuses with the reason', () => {
    const data = int16([1, 2]);
    const spec: WavSpec = { sampleBits: 16, data };
    const whole = wavFile(spec);
    test.each<[string, Buffer, RegExp]>([
      ['an empty file', Buffer.alloc(0), /RIFF\/WAVE header/],
      ['another kind of file', Buffer.from('ID3 this is music'), /RIFF\/WAVE header/],
      ['RF64', Buffer.from('RF64xxxxWAVE'), /RF64 files are not supported/],
      ['cut in the data', whole.subarray(0, -1), /chunk 'data' announces 4 bytes and 3 follow/],
      ['cut in a chunk header', whole.subarray(0, 40), /truncated inside a chunk header/],
      ['cut in the format', whole.subarray(0, 24), /chunk 'fmt ' announces 16 bytes and 4 follow/],
      ['only a header', riff(), /no 'data' chunk/],
      ['no data', riff(formatChunk(spec)), /no 'data' chunk/],
      ['no format', riff(chunk('data', data)), /no 'fmt ' chunk before the data/],
      ['a short format', riff(chunk('fmt ', Buffer.alloc(8))), /'fmt ' chunk of 8 bytes/],
      ['A-law', wavFile({ ...spec, tag: 6 }), /format tag 6/],
      ['12 bits', wavFile({ ...spec, sampleBits: 12, frameBytes: 2 }), /int samples of 12 bits/],
      ['float of 16 bits', wavFile({ ...spec, tag: 3 }), /float samples of 16 bits/],
      ['no channel', wavFile({ ...spec, channels: 0 }), /0 channels/],
      ['0 Hz', wavFile({ ...spec, sampleRateHz: 0 }), /0 Hz/],
      ['frames that do not fit', wavFile({ ...spec, frameBytes: 3 }), /frames of 3 bytes/],
      ['half a frame', wavFile({ ...spec, channels: 2, data: int16([1]) }), /4-byte frames/],
      ['no samples', wavFile({ ...spec, data: Buffer.alloc(0) }), /holds no samples/],
    ])('%s', (_name, file, reason) => {
      expect(() => decode(file)).toThrow(reason);
    });

    test('any damaged file either decodes or is refused as a ConfigError', () => {
      fc.assert(
        fc.property(
          fc.nat(whole.length - 1),
          fc.integer({ min: 0, max: 255 }),
          fc.nat(whole.length),
          (at, value, length) => {
            const damaged = Buffer.from(whole);
            damaged[at] = value;
            try {
              expect(decode(damaged.subarray(0, length)).samples.length).toBeGreaterThan(0);
            } catch (error) {
              expect(error).toMatchObject({ code: 'CONFIG' });
            }
          },
        ),
        { numRuns: 500 },
      );
    });
  });
});
