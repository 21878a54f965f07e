import { endianness } from 'node:os';
import { ConfigError } from '../errors/errors.ts';

const BYTES_PER_SAMPLE = Float32Array.BYTES_PER_ELEMENT;
const IS_BIG_ENDIAN = endianness() === 'BE';

/**
 * Samples of a raw little-endian float32 file. `bytes` may be the head of a longer file of `fileBytes` bytes; a file
 * whose length is no multiple of 4 is no float32 file.
 *
 * @throws ConfigError when the length does not fit or no sample is there
 */
export function decodeRawFloat32(bytes: Buffer, fileBytes: number): Float32Array {
  if (fileBytes % BYTES_PER_SAMPLE !== 0) {
    throw new ConfigError(
      `raw float32: ${fileBytes} bytes is not a whole number of 4-byte samples`,
    );
  }
  if (bytes.length < BYTES_PER_SAMPLE) throw new ConfigError('raw float32: the file is empty');
  return floatsFromLittleEndian(bytes);
}

/** Copies little-endian float32 bytes into samples; a partial sample at the end is left out. */
export function floatsFromLittleEndian(bytes: Buffer): Float32Array {
  const samples = new Float32Array(Math.floor(bytes.length / BYTES_PER_SAMPLE));
  const target = bytesOf(samples);
  bytes.copy(target, 0, 0, target.length);
  if (IS_BIG_ENDIAN) target.swap32();
  return samples;
}

/** Copies samples into little-endian float32 bytes, the form in which payloads carry them. */
export function littleEndianFromFloats(samples: Float32Array): Buffer {
  const bytes = Buffer.from(bytesOf(samples));
  if (IS_BIG_ENDIAN) bytes.swap32();
  return bytes;
}

/** The same memory as bytes, without a copy. */
function bytesOf(samples: Float32Array): Buffer {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
}
