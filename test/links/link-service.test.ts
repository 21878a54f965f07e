import { describe, expect, test } from 'vitest';
import type { Bucket, Entry } from '../../src/catalog/model.ts';
import { ApiError } from '../../src/errors/errors.ts';
import { parseLinkDocument } from '../../src/http/link-document.ts';
import type { FoundRecord } from '../../src/links/find-record.ts';
import { LinkService } from '../../src/links/link-service.ts';
import type { RecordData } from '../../src/query/types.ts';

const DOCUMENT = parseLinkDocument(
  '{"bucket":"b","entry":"e","expire_at":0,"query":{"query_type":"QUERY"}}',
);
const RECORD = { entryName: 'e', ts: 5n };
const always = (): boolean => true;

function newBucket(): Bucket {
  const bucket: Bucket = {
    id: 1,
    name: 'b',
    settings: { quota_type: 'NONE', quota_size: 0, max_block_size: 1, max_block_records: 1 },
    isProvisioned: false,
    status: 'READY',
    entries: new Map(),
    recordsWritten: 0,
    rewrites: 0,
    sizeBytes: 0,
  };
  const stats: Entry['stats'] = {
    recordCount: 1,
    sizeBytes: 0,
    oldestTs: 5n,
    latestTs: 5n,
    extentCount: 1,
    extent: undefined,
    bucketOrdinal: 0,
  };
  bucket.entries.set('e', {
    id: 1,
    bucket,
    name: 'e',
    status: 'READY',
    isDurable: true,
    stats,
    rewrites: 0,
  });
  return bucket;
}

interface Harness {
  readonly bucket: Bucket;
  readonly service: LinkService;
  /** One per search that was begun. */
  readonly searches: { finish(): void; isWanted(): boolean }[];
  nowMs: number;
  isRecordThere: boolean;
}

function harness(maxCacheBytes?: number): Harness {
  const bucket = newBucket();
  const searches: Harness['searches'] = [];
  const data = (): RecordData => {
    if (!result.isRecordThere) throw new ApiError(404, 'Record 5 not found in entry b/e');
    return {
      entryName: 'e',
      ts: 5n,
      contentType: 'text/plain',
      labels: ['a', '1', 'b', '2'],
      lengthBytes: 0,
      payload: new Uint8Array(0),
      large: undefined,
    };
  };
  const find = (
    of: Bucket,
    _document: unknown,
    { entryName, ts }: typeof RECORD,
    isWanted: () => boolean,
  ): Promise<FoundRecord> =>
    new Promise((resolve, reject) => {
      const finish = (): void => {
        const entry = of.entries.get(entryName);
        if (entry === undefined) reject(new ApiError(404, 'none'));
        else resolve({ entry, ts, selectedLabels: new Set(['b']) });
      };
      searches.push({ finish, isWanted });
    });
  const service = new LinkService({
    tokens: { linkToken: () => undefined },
    finder: { find },
    records: { read: data, readChunk: () => Promise.resolve(undefined) },
    nowMs: () => result.nowMs,
    ...(maxCacheBytes === undefined ? {} : { maxCacheBytes }),
  });
  const result: Harness = { bucket, service, searches, nowMs: 0, isRecordThere: true };
  return result;
}

function read(h: Harness, key = 'k', isWanted = always): Promise<RecordData> {
  return h.service.read(h.bucket, key, DOCUMENT, RECORD, isWanted);
}

async function readFound(h: Harness, key = 'k'): Promise<RecordData> {
  const reading = read(h, key);
  h.searches.at(-1)?.finish();
  return reading;
}

describe('searches for the record of a link', () => {
  test('are made once for a minute, and the content is read every time', async () => {
    const h = harness();
    expect((await readFound(h)).labels).toEqual(['b', '2']);
    h.nowMs = 59_999;
    await read(h);
    expect(h.searches).toHaveLength(1);
    h.isRecordThere = false;
    await expect(read(h)).rejects.toThrow('Record e/5 not found in query result');
    h.isRecordThere = true;
    h.nowMs = 60_000;
    await readFound(h);
    expect(h.searches).toHaveLength(2);
  });

  test('are shared by those who ask at the same time, and go on while one of them waits', async () => {
    const h = harness();
    let isFirstThere = true;
    let isSecondThere = true;
    const first = read(h, 'k', () => isFirstThere);
    const second = read(h, 'k', () => isSecondThere);
    expect(h.searches).toHaveLength(1);
    isFirstThere = false;
    expect(h.searches[0]?.isWanted()).toBe(true);
    isSecondThere = false;
    expect(h.searches[0]?.isWanted()).toBe(false);
    h.searches[0]?.finish();
    await Promise.all([first, second]);
  });

  test('are made again for an entry that is another one now, and for another link', async () => {
    const h = harness();
    await readFound(h);
    const entry = h.bucket.entries.get('e');
    if (entry === undefined) throw new Error('no entry');
    h.bucket.entries.set('e', { ...entry, id: 2 });
    await readFound(h);
    await readFound(h, 'other');
    expect(h.searches).toHaveLength(3);
  });

  test('that fail are not remembered', async () => {
    const h = harness();
    const entry = h.bucket.entries.get('e');
    h.bucket.entries.delete('e');
    await expect(readFound(h)).rejects.toThrow('none');
    if (entry !== undefined) h.bucket.entries.set('e', entry);
    await readFound(h);
    expect(h.searches).toHaveLength(2);
  });

  test('are forgotten, oldest first, when memory for them is used up', async () => {
    const h = harness(1500);
    await readFound(h, 'a');
    await readFound(h, 'b');
    await readFound(h, 'c');
    await read(h, 'c');
    await readFound(h, 'a');
    expect(h.searches).toHaveLength(4);
  });
});
