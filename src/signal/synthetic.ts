import { createNormal, createUniform } from './prng.ts';

/** A rolling-element bearing with a fault on the outer race. Frequencies in Hz, amplitudes in g. */
export interface BearingOptions {
  /** Default 1. */
  readonly seed?: number | undefined;
  /** Default 12 000. */
  readonly sampleRateHz?: number | undefined;
  /** Default 10. */
  readonly durationS?: number | undefined;
}

const DEFAULT_SEED = 1;
export const SYNTHETIC_SAMPLE_RATE_HZ = 12_000;
const DEFAULT_DURATION_S = 10;

/** 1797 rpm. */
export const SHAFT_HZ = 29.95;
/** Ball pass frequency of the outer race of a 6205 bearing: 3.585 times the shaft. */
export const FAULT_HZ: number = 3.585 * SHAFT_HZ;
/** Amplitudes of the shaft's 1st, 2nd and 3rd harmonic: unbalance, misalignment, looseness. */
const HARMONIC_AMPLITUDES_G = [0.3, 0.12, 0.05];
const NOISE_RMS_G = 0.05;
/** Each impact rings the housing at its resonance and dies away. */
const RESONANCE_HZ = 3_000;
const DECAY_PER_S = 900;
const IMPACT_AMPLITUDE_G = 1;
/** Rolling elements slip: the time between impacts varies by this share, their strength by the next. */
const SLIP = 0.01;
const STRENGTH_SPREAD = 0.3;

/** A seeded vibration signal: shaft harmonics, decaying impacts at the fault frequency, noise. */
export function syntheticBearing(options: BearingOptions = {}): Float32Array {
  const sampleRateHz = options.sampleRateHz ?? SYNTHETIC_SAMPLE_RATE_HZ;
  const durationS = options.durationS ?? DEFAULT_DURATION_S;
  const uniform = createUniform(options.seed ?? DEFAULT_SEED);
  const normal = createNormal(uniform);
  const samples = new Float32Array(Math.round(sampleRateHz * durationS));
  for (let index = 0; index < samples.length; index++) {
    samples[index] = shaftAt(index / sampleRateHz) + NOISE_RMS_G * normal();
  }
  for (let atS = 0; atS < durationS; atS += (1 + SLIP * normal()) / FAULT_HZ) {
    const strength = IMPACT_AMPLITUDE_G * (1 + STRENGTH_SPREAD * (2 * uniform() - 1));
    addImpact(samples, sampleRateHz, atS, strength);
  }
  return samples;
}

function shaftAt(timeS: number): number {
  let value = 0;
  for (const [order, amplitudeG] of HARMONIC_AMPLITUDES_G.entries()) {
    value += amplitudeG * Math.sin(2 * Math.PI * SHAFT_HZ * (order + 1) * timeS);
  }
  return value;
}

function addImpact(samples: Float32Array, rateHz: number, atS: number, strengthG: number): void {
  const first = Math.ceil(atS * rateHz);
  // After seven time constants less than a thousandth is left.
  const last = Math.min(samples.length, first + Math.ceil((7 / DECAY_PER_S) * rateHz));
  for (let index = first; index < last; index++) {
    const sinceS = index / rateHz - atS;
    const ringing = Math.sin(2 * Math.PI * RESONANCE_HZ * sinceS);
    samples[index] = (samples[index] ?? 0) + strengthG * Math.exp(-DECAY_PER_S * sinceS) * ringing;
  }
}
