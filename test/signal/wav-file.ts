/** Builds WAV files for tests, also broken ones. */
export interface WavSpec {
  readonly tag?: number;
  readonly extensible?: boolean;
  readonly channels?: number;
  readonly sampleRateHz?: number;
  readonly sampleBits: number;
  readonly frameBytes?: number;
  /** Size the data chunk announces; default: what it has. */
  readonly announcedBytes?: number;
  readonly data: Buffer;
  /** Chunks between `fmt ` and `data`. */
  readonly extra?: Buffer;
}

export function chunk(id: string, body: Buffer, announcedBytes: number = body.length): Buffer {
  const header = Buffer.alloc(8);
  header.write(id, 'latin1');
  header.writeUInt32LE(announcedBytes, 4);
  const pad = Buffer.alloc(body.length % 2);
  return Buffer.concat([header, body, pad]);
}

export function formatChunk(spec: WavSpec): Buffer {
  const { channels = 1, sampleRateHz = 12_000, sampleBits, tag = 1 } = spec;
  const frameBytes = spec.frameBytes ?? (channels * sampleBits) / 8;
  const body = Buffer.alloc(spec.extensible === true ? 40 : 16);
  body.writeUInt16LE(spec.extensible === true ? 0xfffe : tag, 0);
  body.writeUInt16LE(channels, 2);
  body.writeUInt32LE(sampleRateHz, 4);
  body.writeUInt32LE(sampleRateHz * frameBytes, 8);
  body.writeUInt16LE(frameBytes, 12);
  body.writeUInt16LE(sampleBits, 14);
  if (spec.extensible === true) {
    body.writeUInt16LE(22, 16);
    body.writeUInt16LE(sampleBits, 18);
    body.writeUInt16LE(tag, 24);
  }
  return chunk('fmt ', body);
}

export function riff(...chunks: Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from('WAVE', 'latin1'), ...chunks]);
  return chunk('RIFF', body);
}

export function wavFile(spec: WavSpec): Buffer {
  const extra = spec.extra ?? Buffer.alloc(0);
  return riff(formatChunk(spec), extra, chunk('data', spec.data, spec.announcedBytes));
}
