/** The body of a batch. */
import type { BodyBuffers } from '../body-buffers.ts';
import type { BodyPart } from '../job.ts';
import type { PickedRecord } from './batch-collector.ts';

export interface BatchBody {
  /** In order; inline contents that follow each other are one part. All of them view one buffer. */
  readonly parts: readonly BodyPart[];
  /** The buffer behind the parts, to be transferred unless it is shared; undefined when nothing lies in it. */
  readonly buffer: ArrayBuffer | SharedArrayBuffer | undefined;
}

/** Copies inline contents out of their blocks: memory that RocksDB handed over cannot be transferred. */
export function assembleBody(
  records: readonly PickedRecord[],
  buffers: Pick<BodyBuffers, 'take'> | undefined,
): BatchBody {
  const parts: BodyPart[] = [];
  const bodyBytes = inlineBytes(records);
  const buffer = buffers?.take(bodyBytes) ?? new ArrayBuffer(bodyBytes);
  const target = new Uint8Array(buffer);
  let at = 0;
  let partStart = 0;
  const endPart = (): void => {
    if (at > partStart) parts.push(new Uint8Array(buffer, partStart, at - partStart));
    partStart = at;
  };
  for (const run of copyRuns(records)) {
    const { block, from, to } = run;
    const large = block.large();
    if (large === undefined) {
      target.set(block.bytes.subarray(from, to), at);
      at += to - from;
    } else {
      endPart();
      parts.push({ ...large, lengthBytes: block.length(0) });
    }
  }
  endPart();
  return { parts, buffer: at > 0 ? buffer : undefined };
}

function inlineBytes(records: readonly PickedRecord[]): number {
  let bytes = 0;
  for (const { block, lengthBytes } of records) {
    if (block.large() === undefined) bytes += lengthBytes;
  }
  return bytes;
}

interface CopyRun {
  readonly block: PickedRecord['block'];
  /** Bytes of the block. */
  readonly from: number;
  to: number;
}

/** Neighbours in a block are neighbours in its bytes: they are copied at once. */
function copyRuns(records: readonly PickedRecord[]): CopyRun[] {
  const runs: CopyRun[] = [];
  let current: CopyRun | undefined;
  for (const { block, index, lengthBytes } of records) {
    const isLarge = block.large() !== undefined;
    const from = isLarge ? 0 : block.payloadOffset(index);
    if (!isLarge && current?.block === block && current.to === from) {
      current.to += lengthBytes;
    } else {
      current = { block, from, to: isLarge ? 0 : from + lengthBytes };
      runs.push(current);
    }
  }
  return runs;
}
