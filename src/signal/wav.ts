import { ConfigError } from '../errors/errors.ts';

/** One channel of a WAV file; integer samples are scaled to [-1, 1). */
export interface WavAudio {
  readonly sampleRateHz: number;
  /** Channels in the file; `samples` holds the first one. */
  readonly channels: number;
  readonly samples: Float32Array;
}

interface WavFormat {
  readonly channels: number;
  readonly sampleRateHz: number;
  readonly frameBytes: number;
  readonly read: SampleReader;
}

interface Chunk {
  readonly id: string;
  readonly startOffset: number;
  readonly sizeBytes: number;
}

type SampleReader = (bytes: Buffer, offset: number) => number;

const RIFF_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;
const FORMAT_MIN_BYTES = 16;
const FORMAT_EXTENSIBLE_BYTES = 40;
const TAG_PCM = 1;
const TAG_FLOAT = 3;
const TAG_EXTENSIBLE = 0xfffe;
/** Offset of the sub-format's tag in the body of an extensible `fmt ` chunk. */
const SUB_FORMAT_OFFSET = 24;
/** A writer that could not seek back leaves this size: the data goes on to the end of the file. */
const SIZE_UNKNOWN = 0xffff_ffff;

const READERS: ReadonlyMap<string, SampleReader> = new Map<string, SampleReader>([
  ['int8', (bytes, offset) => (bytes.readUInt8(offset) - 0x80) / 0x80],
  ['int16', (bytes, offset) => bytes.readInt16LE(offset) / 0x8000],
  ['int24', (bytes, offset) => bytes.readIntLE(offset, 3) / 0x80_0000],
  ['int32', (bytes, offset) => bytes.readInt32LE(offset) / 0x8000_0000],
  ['float32', (bytes, offset) => bytes.readFloatLE(offset)],
  ['float64', (bytes, offset) => bytes.readDoubleLE(offset)],
]);

/**
 * Decodes the first channel of a RIFF/WAVE file: PCM of 8, 16, 24 or 32 bits, float of 32 or 64 bits, plain or
 * extensible. `bytes` may be the head of a longer file of `fileBytes` bytes; then the samples it holds are returned.
 *
 * @throws ConfigError naming what is malformed, truncated or not supported
 */
export function decodeWav(bytes: Buffer, fileBytes: number): WavAudio {
  checkRiffHeader(bytes);
  let format: WavFormat | undefined;
  for (let offset = RIFF_HEADER_BYTES; offset < fileBytes;) {
    const chunk = chunkAt(bytes, offset, fileBytes);
    if (chunk.id === 'fmt ') format = decodeFormat(bytes, chunk);
    if (chunk.id === 'data') {
      if (format === undefined) throw new ConfigError("WAV: no 'fmt ' chunk before the data");
      return decodeData(bytes, chunk, format);
    }
    // Chunks start at even offsets; an odd one is followed by a pad byte.
    offset = chunk.startOffset + chunk.sizeBytes + (chunk.sizeBytes % 2);
  }
  throw new ConfigError("WAV: no 'data' chunk");
}

function checkRiffHeader(bytes: Buffer): void {
  const magic = bytes.toString('latin1', 0, 4);
  if (magic === 'RF64' || magic === 'RIFX') {
    throw new ConfigError(`WAV: ${magic} files are not supported, only RIFF`);
  }
  if (magic !== 'RIFF' || bytes.toString('latin1', 8, RIFF_HEADER_BYTES) !== 'WAVE') {
    throw new ConfigError('WAV: the file does not start with a RIFF/WAVE header');
  }
}

function chunkAt(bytes: Buffer, offset: number, fileBytes: number): Chunk {
  const startOffset = offset + CHUNK_HEADER_BYTES;
  if (startOffset > fileBytes) {
    throw new ConfigError(`WAV: truncated inside a chunk header at byte ${offset}`);
  }
  if (startOffset > bytes.length) {
    throw new ConfigError(`WAV: no 'data' chunk within the first ${bytes.length} bytes`);
  }
  const id = bytes.toString('latin1', offset, offset + 4);
  const announcedBytes = bytes.readUInt32LE(offset + 4);
  const restBytes = fileBytes - startOffset;
  if (id === 'data' && announcedBytes === SIZE_UNKNOWN) {
    return { id, startOffset, sizeBytes: restBytes };
  }
  if (announcedBytes > restBytes) {
    throw new ConfigError(
      `WAV: truncated, chunk '${id}' announces ${announcedBytes} bytes and ${restBytes} follow`,
    );
  }
  return { id, startOffset, sizeBytes: announcedBytes };
}

function decodeFormat(bytes: Buffer, chunk: Chunk): WavFormat {
  const start = chunk.startOffset;
  if (chunk.sizeBytes < FORMAT_MIN_BYTES || start + chunk.sizeBytes > bytes.length) {
    throw new ConfigError(`WAV: a 'fmt ' chunk of ${chunk.sizeBytes} bytes is too short`);
  }
  let tag = bytes.readUInt16LE(start);
  if (tag === TAG_EXTENSIBLE) {
    if (chunk.sizeBytes < FORMAT_EXTENSIBLE_BYTES) {
      throw new ConfigError(
        `WAV: an extensible 'fmt ' chunk needs ${FORMAT_EXTENSIBLE_BYTES} bytes`,
      );
    }
    tag = bytes.readUInt16LE(start + SUB_FORMAT_OFFSET);
  }
  if (tag !== TAG_PCM && tag !== TAG_FLOAT) {
    throw new ConfigError(`WAV: format tag ${tag} is neither PCM (1) nor float (3)`);
  }
  const encoding = tag === TAG_PCM ? 'int' : 'float';
  const channels = bytes.readUInt16LE(start + 2);
  const sampleRateHz = bytes.readUInt32LE(start + 4);
  const frameBytes = bytes.readUInt16LE(start + 12);
  const sampleBits = bytes.readUInt16LE(start + 14);
  const read = READERS.get(`${encoding}${sampleBits}`);
  if (read === undefined) {
    throw new ConfigError(`WAV: ${encoding} samples of ${sampleBits} bits are not supported`);
  }
  if (channels === 0) throw new ConfigError('WAV: 0 channels');
  if (sampleRateHz === 0) throw new ConfigError('WAV: a sample rate of 0 Hz');
  if (frameBytes !== channels * (sampleBits / 8)) {
    throw new ConfigError(
      `WAV: ${channels} channels of ${sampleBits} bits do not fit frames of ${frameBytes} bytes`,
    );
  }
  return { channels, sampleRateHz, frameBytes, read };
}

function decodeData(bytes: Buffer, chunk: Chunk, format: WavFormat): WavAudio {
  const { channels, sampleRateHz, frameBytes, read } = format;
  if (chunk.sizeBytes % frameBytes !== 0) {
    throw new ConfigError(
      `WAV: ${chunk.sizeBytes} bytes of data are not a whole number of ${frameBytes}-byte frames`,
    );
  }
  const availableBytes = Math.min(chunk.sizeBytes, bytes.length - chunk.startOffset);
  const frames = Math.floor(availableBytes / frameBytes);
  if (frames === 0) throw new ConfigError('WAV: the file holds no samples');
  const samples = new Float32Array(frames);
  for (let frame = 0; frame < frames; frame++) {
    samples[frame] = read(bytes, chunk.startOffset + frame * frameBytes);
  }
  return { sampleRateHz, channels, samples };
}
