import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { ConfigError } from '../errors/errors.ts';
import { decodeCsv } from './csv.ts';
import { decodeRawFloat32 } from './float32.ts';
import { DEFAULT_RECORDINGS_FOLDER, readRecordings } from './recordings.ts';
import { SYNTHETIC_SAMPLE_RATE_HZ, syntheticBearing } from './synthetic.ts';
import { decodeWav } from './wav.ts';

/** A vibration signal of one channel. */
export interface Signal {
  readonly name: string;
  /** 0 when the file does not say (CSV, raw float32). */
  readonly sampleRateHz: number;
  readonly samples: Float32Array;
  /** True when the signal was computed, not recorded. */
  readonly synthetic: boolean;
  /** Where the samples come from, in words for a reader. */
  readonly origin: string;
}

export interface SignalOptions {
  /** A `.wav`, `.csv`, `.tsv`, `.txt`, `.f32`, `.raw` or `.bin` file. */
  readonly file?: string | undefined;
  /** Where recordings are looked for when no file is given. Default `../shared/signals`. */
  readonly recordingsFolder?: string | undefined;
  /** Seed of the synthetic signal. Default 1. */
  readonly seed?: number | undefined;
}

type Decoded = Pick<Signal, 'sampleRateHz' | 'samples' | 'origin'>;
type Decoder = (bytes: Buffer, fileBytes: number) => Decoded;

/** Only the head of a longer file is read: it bounds the memory, and a minute of signal is as good as an hour. */
export const MAX_READ_BYTES: number = 64 * 1024 * 1024;

const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['.wav', decodeWavFile],
  ['.csv', decodeCsvFile],
  ['.tsv', decodeCsvFile],
  ['.txt', decodeCsvFile],
  ['.f32', decodeRawFile],
  ['.raw', decodeRawFile],
  ['.bin', decodeRawFile],
]);

/**
 * Loads the signal of `options.file`; without one the recordings of the recordings folder, and where there are none a
 * seeded synthetic bearing signal. Blocks while it reads.
 *
 * @throws ConfigError when the file is missing, of an unknown kind, malformed or truncated
 */
export function loadSignal(options: SignalOptions = {}): Signal {
  if (options.file !== undefined) return loadFile(options.file);
  const folder = options.recordingsFolder ?? DEFAULT_RECORDINGS_FOLDER;
  const recordings = readRecordings(folder);
  if (recordings === undefined) return synthesise(options.seed ?? 1);
  return {
    name: recordings.name,
    sampleRateHz: recordings.sampleRateHz,
    samples: recordings.samples,
    synthetic: false,
    origin: `real recordings ${recordings.files.join(', ')} of ${folder}, ${recordings.author}, ${recordings.licence}`,
  };
}

function synthesise(seed: number): Signal {
  return {
    name: 'synthetic bearing',
    sampleRateHz: SYNTHETIC_SAMPLE_RATE_HZ,
    samples: syntheticBearing({ seed }),
    synthetic: true,
    origin: `SYNTHETIC, seed ${seed}: shaft harmonics, impacts of an outer-race fault, noise; no recording was found`,
  };
}

function loadFile(file: string): Signal {
  const decoder = DECODERS.get(extname(file).toLowerCase());
  if (decoder === undefined) {
    throw new ConfigError(`Signal file '${file}' is of an unknown kind`, {
      hint: `Give a file that ends in ${[...DECODERS.keys()].join(', ')}.`,
    });
  }
  try {
    const { bytes, fileBytes } = readHead(file);
    const decoded = decoder(bytes, fileBytes);
    const cut = fileBytes > bytes.length ? `, first ${bytes.length} of ${fileBytes} bytes` : '';
    const origin = `file ${file}, ${decoded.origin}${cut}`;
    return { ...decoded, name: basename(file), synthetic: false, origin };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`Signal file '${file}' cannot be used: ${reason}`, { cause: error });
  }
}

function readHead(file: string): { bytes: Buffer; fileBytes: number } {
  const fd = openSync(file, 'r');
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new ConfigError('it is not a regular file');
    const bytes = Buffer.alloc(Math.min(stats.size, MAX_READ_BYTES));
    let filledBytes = 0;
    while (filledBytes < bytes.length) {
      const readBytes = readSync(fd, bytes, filledBytes, bytes.length - filledBytes, filledBytes);
      if (readBytes === 0) throw new ConfigError('it became shorter while it was read');
      filledBytes += readBytes;
    }
    return { bytes, fileBytes: stats.size };
  } finally {
    closeSync(fd);
  }
}

function decodeWavFile(bytes: Buffer, fileBytes: number): Decoded {
  const { sampleRateHz, channels, samples } = decodeWav(bytes, fileBytes);
  const channel = channels === 1 ? '1 channel' : `first of ${channels} channels`;
  return { sampleRateHz, samples, origin: `WAV, ${sampleRateHz} Hz, ${channel}` };
}

function decodeCsvFile(bytes: Buffer, fileBytes: number): Decoded {
  // A head may end inside a line: the last one counts only if the file ends with it.
  const wholeBytes = fileBytes > bytes.length ? bytes.lastIndexOf('\n') + 1 : bytes.length;
  const { name, samples } = decodeCsv(bytes.toString('utf8', 0, wholeBytes));
  return { sampleRateHz: 0, samples, origin: `CSV, ${name}` };
}

function decodeRawFile(bytes: Buffer, fileBytes: number): Decoded {
  const samples = decodeRawFloat32(bytes, fileBytes);
  return { sampleRateHz: 0, samples, origin: 'raw little-endian float32' };
}
