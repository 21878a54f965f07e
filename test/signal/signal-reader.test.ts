import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { littleEndianFromFloats } from '../../src/signal/float32.ts';
import { SignalReader } from '../../src/signal/signal-reader.ts';
import type { Signal } from '../../src/signal/signal.ts';

function signalOf(samples: readonly number[]): Signal {
  return {
    name: 'test',
    sampleRateHz: 1,
    samples: Float32Array.from(samples),
    synthetic: true,
    origin: 'test',
  };
}

describe('SignalReader', () => {
  test('payloads carry the samples as little-endian float32, in order', () => {
    const reader = new SignalReader(signalOf([1, 2, 3, 4]), { payloadBytes: 8 });
    const payload = reader.next();
    expect([payload.readFloatLE(0), payload.readFloatLE(4)]).toEqual([1, 2]);
    expect([reader.next().readFloatLE(0), reader.next().readFloatLE(0)]).toEqual([3, 1]);
  });

  test('the same payload is the same buffer: a call allocates nothing', () => {
    const reader = new SignalReader(signalOf([1, 2, 3]), { payloadBytes: 4 });
    const first = [reader.next(), reader.next(), reader.next()];
    expect([reader.next(), reader.next(), reader.next()].every((p, i) => p === first[i])).toBe(
      true,
    );
  });

  test('every payload and every span is what the repeated signal says', () => {
    const shape = fc.record({
      samples: fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 20 }),
      payloadBytes: fc.integer({ min: 1, max: 100 }),
      spanPayloads: fc.integer({ min: 1, max: 30 }),
      index: fc.nat(200),
    });
    fc.assert(
      fc.property(shape, ({ samples, payloadBytes, spanPayloads, index }) => {
        const signal = signalOf(samples);
        const reader = new SignalReader(signal, { payloadBytes, spanPayloads });
        const signalBytes = littleEndianFromFloats(signal.samples);
        const expected = Buffer.alloc(payloadBytes);
        const start = (index % reader.periodPayloads) * payloadBytes;
        for (let offset = 0; offset < payloadBytes; offset++) {
          expected[offset] = signalBytes[(start + offset) % signalBytes.length] ?? 0;
        }
        expect(reader.payloadAt(index).equals(expected)).toBe(true);
        const parts = Array.from({ length: spanPayloads }, (_, i) => reader.payloadAt(index + i));
        expect(reader.spanAt(index, spanPayloads).equals(Buffer.concat(parts))).toBe(true);
      }),
    );
  });

  test('a payload longer than the signal repeats it', () => {
    const reader = new SignalReader(signalOf([1, 2]), { payloadBytes: 20 });
    const payload = reader.next();
    expect([0, 4, 8, 12, 16].map((offset) => payload.readFloatLE(offset))).toEqual([1, 2, 1, 2, 1]);
  });

  test('refuses an empty signal, a payload without length and a span it was not prepared for', () => {
    expect(() => new SignalReader(signalOf([]), { payloadBytes: 4 })).toThrow(/has no samples/);
    expect(() => new SignalReader(signalOf([1]), { payloadBytes: 0 })).toThrow(/payload of 0/);
    expect(() => new SignalReader(signalOf([1]), { payloadBytes: 1.5 })).toThrow(/payload of 1.5/);
    const reader = new SignalReader(signalOf([1]), { payloadBytes: 4, spanPayloads: 2 });
    expect(() => reader.spanAt(0, 3)).toThrow(/^BUG: a span of 3/);
  });
});
