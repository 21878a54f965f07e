import { BATCH_RECORDS, PAYLOAD_BYTES } from '../../src/demo/plan.ts';
import { SensorSource } from '../../src/demo/sensor-source.ts';
import { SignalReader } from '../../src/signal/signal-reader.ts';
import { syntheticBearing } from '../../src/signal/synthetic.ts';

const samples = syntheticBearing({ durationS: 1 });
const signal = { name: 'test', sampleRateHz: 12_000, samples, synthetic: true, origin: 'test' };

/** A sensor over one second of synthetic signal, a record every 200 µs. */
export function sensorSource(sensorIndex: number): SensorSource {
  const reader = new SignalReader(signal, {
    payloadBytes: PAYLOAD_BYTES,
    spanPayloads: BATCH_RECORDS,
  });
  return new SensorSource({ sensorIndex, startUs: 1_700_000_000_000_000n, stepUs: 200, reader });
}
