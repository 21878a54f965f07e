import { describe, expect, test } from 'vitest';
import { FAULT_HZ, SHAFT_HZ, syntheticBearing } from '../../src/signal/synthetic.ts';

/** Amplitude of one frequency in a series (a single bin of a Fourier transform). */
function amplitudeAt(series: ArrayLike<number>, rateHz: number, frequencyHz: number): number {
  let re = 0;
  let im = 0;
  for (let index = 0; index < series.length; index++) {
    const phase = (2 * Math.PI * frequencyHz * index) / rateHz;
    re += (series[index] ?? 0) * Math.cos(phase);
    im += (series[index] ?? 0) * Math.sin(phase);
  }
  return (2 * Math.hypot(re, im)) / series.length;
}

describe('syntheticBearing', () => {
  const rateHz = 12_000;
  const samples = syntheticBearing({ seed: 7, sampleRateHz: rateHz, durationS: 4 });

  test('has the length asked for and only finite samples', () => {
    expect(samples.length).toBe(4 * rateHz);
    expect(samples.every((sample) => Number.isFinite(sample))).toBe(true);
  });

  test('the same seed gives the same samples, another seed others', () => {
    const again = syntheticBearing({ seed: 7, sampleRateHz: rateHz, durationS: 4 });
    expect(Buffer.from(again.buffer).equals(Buffer.from(samples.buffer))).toBe(true);
    expect(syntheticBearing({ seed: 8, sampleRateHz: rateHz, durationS: 4 })).not.toEqual(samples);
  });

  test('its spectrum shows the shaft and its harmonics', () => {
    for (const order of [1, 2, 3]) {
      const line = amplitudeAt(samples, rateHz, order * SHAFT_HZ);
      const beside = amplitudeAt(samples, rateHz, (order + 0.4) * SHAFT_HZ);
      expect(line, `harmonic ${order}`).toBeGreaterThan(4 * beside);
    }
  });

  test('the envelope of its high frequencies repeats at the fault frequency', () => {
    // A difference is a high-pass: it takes the shaft away and leaves the ringing.
    const envelope = samples.map((sample, index) =>
      Math.abs(sample - (samples[index - 1] ?? sample)),
    );
    const fault = amplitudeAt(envelope, rateHz, FAULT_HZ);
    expect(fault).toBeGreaterThan(4 * amplitudeAt(envelope, rateHz, FAULT_HZ * 1.3));
  });
});
