import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { ConfigError } from '../errors/errors.ts';
import { decodeRawFloat32 } from './float32.ts';

/** Recordings that lie beside the project; read from there, never copied into it. */
export const DEFAULT_RECORDINGS_FOLDER = '../shared/signals';

const MANIFEST_FILE = 'manifest.json';

const positiveInteger = v.pipe(v.number(), v.integer(), v.minValue(1));

const MANIFEST = v.object({
  name: v.string(),
  author: v.string(),
  licence: v.string(),
  recordings: v.pipe(
    v.array(
      v.object({
        file: v.pipe(
          v.string(),
          v.check((file) => file === basename(file), 'is a file name without a folder'),
        ),
        samples: positiveInteger,
        sampleIntervalUs: positiveInteger,
      }),
    ),
    v.minLength(1),
  ),
});

/** All recordings of a folder, one after the other. */
export interface Recordings {
  readonly name: string;
  readonly files: readonly string[];
  readonly sampleRateHz: number;
  readonly samples: Float32Array;
  readonly author: string;
  readonly licence: string;
}

/**
 * Reads the recordings that `manifest.json` of the folder lists: little-endian float32, one sampling interval. Without
 * a manifest the answer is `undefined`.
 *
 * @throws ConfigError when the manifest or a recording it lists is broken: a half-copied folder is no reason to go on
 * with something else
 */
export function readRecordings(folder: string): Recordings | undefined {
  const manifestPath = join(folder, MANIFEST_FILE);
  if (!existsSync(manifestPath)) return undefined;
  const manifest = parseManifest(manifestPath);
  const parts = manifest.recordings.map(({ file, samples }) =>
    readRecording(join(folder, file), samples),
  );
  const intervalsUs = new Set(manifest.recordings.map((entry) => entry.sampleIntervalUs));
  const [intervalUs] = intervalsUs;
  if (intervalUs === undefined || intervalsUs.size > 1) {
    throw new ConfigError(`${manifestPath}: the recordings have different sampling intervals`);
  }
  return {
    name: manifest.name,
    files: manifest.recordings.map((entry) => entry.file),
    sampleRateHz: 1_000_000 / intervalUs,
    samples: concatenate(parts),
    author: manifest.author,
    licence: manifest.licence,
  };
}

function parseManifest(path: string): v.InferOutput<typeof MANIFEST> {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(`${path} cannot be read: ${String(error)}`, { cause: error });
  }
  const result = v.safeParse(MANIFEST, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new ConfigError(`${path}: ${v.getDotPath(issue) ?? 'document'}: ${issue.message}`);
}

function readRecording(path: string, expectedSamples: number): Float32Array {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new ConfigError(`${path} cannot be read: ${String(error)}`, { cause: error });
  }
  const samples = decodeRawFloat32(bytes, bytes.length);
  if (samples.length !== expectedSamples) {
    throw new ConfigError(
      `${path} holds ${samples.length} samples, its manifest says ${expectedSamples}`,
    );
  }
  return samples;
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
