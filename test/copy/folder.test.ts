import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FolderSink } from '../../src/copy/folder-sink.ts';
import { FolderSource } from '../../src/copy/folder-source.ts';
import type { Api } from '../lib/api.ts';
import { withInstance } from '../lib/instance.ts';
import { withTempDir } from '../lib/temp-dir.ts';
import {
  copyAll,
  fill,
  QUICK_RETRY,
  sinkOf,
  someRecords,
  sourceOf,
  withClient,
} from './lib/copy-harness.ts';

const signal = new AbortController().signal;

function folderSink(folder: string, withMeta = true, extension: string | null = null): FolderSink {
  return new FolderSink({ folder, extension, withMeta, retry: QUICK_RETRY, signal });
}

interface Written {
  readonly ts: bigint;
  readonly contentType: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly payload: Buffer;
}

/** What can be written: label names as headers carry them, values without blanks at their ends. */
const RECORD: fc.Arbitrary<Written> = fc.record({
  ts: fc.bigInt({ min: 0n, max: (1n << 59n) - 1n }),
  contentType: fc.constantFrom('text/plain', 'image/jpeg', 'text/csv; header=present, odd', 'a/b'),
  labels: fc.dictionary(
    fc.stringMatching(/^[a-z][a-z0-9_.-]{0,8}$/),
    fc.stringMatching(/^[!-~]([ -~]{0,12}[!-~])?$/),
    { maxKeys: 4 },
  ),
  payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
});

async function writeAll(api: Api, bucket: string, records: readonly Written[]): Promise<void> {
  for (const { ts, contentType, labels, payload } of records) {
    const headers: Record<string, string> = { 'content-type': contentType };
    for (const [name, value] of Object.entries(labels)) headers[`x-reduct-label-${name}`] = value;
    await api.ok('POST', `/b/${bucket}/deep/er?ts=${ts}`, headers, payload);
  }
}

/** By single reads, whose headers say what labels are without any quoting. */
async function readBack(api: Api, bucket: string, ts: bigint): Promise<Written> {
  const { headers, body } = await api.ok('GET', `/b/${bucket}/deep/er?ts=${ts}`);
  const prefix = 'x-reduct-label-';
  const labels = Object.entries(headers)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]) => [name.slice(prefix.length), String(value)]);
  const contentType = String(headers['content-type']);
  return { ts, contentType, labels: Object.fromEntries(labels), payload: body };
}

describe('a folder', () => {
  test('gives back what was copied into it, whatever labels, types and contents are', async () => {
    await withInstance(async ({ url, api }) => {
      let round = 0;
      const property = fc.asyncProperty(
        fc.uniqueArray(RECORD, { minLength: 1, maxLength: 6, selector: ({ ts }) => ts }),
        async (records) => {
          const [from, to] = [`from-${round}`, `to-${round++}`];
          await api.ok('POST', `/b/${from}`);
          await writeAll(api, from, records);
          await withTempDir(async (folder) => {
            await withClient(url, async (client) => {
              const out = await copyAll(sourceOf(client, from), folderSink(folder));
              const back = await copyAll(new FolderSource(folder), sinkOf(client, to));
              expect(out.tally.copiedRecords).toBe(records.length);
              expect(back.failures.first).toEqual([]);
            });
          });
          for (const record of records) {
            expect(await readBack(api, to, record.ts)).toEqual(record);
          }
        },
      );
      const quotes: Written = {
        ts: 0n,
        contentType: 'text/plain',
        labels: { a: '"' },
        payload: Buffer.alloc(0),
      };
      await fc.assert(property, { numRuns: 15, examples: [[[quotes]]] });
    });
  });

  test('holds a file per record, named by its time and type, with its meta file beside it', async () => {
    await withInstance(async ({ url, api }) => {
      await api.ok('POST', '/b/src');
      const headers = { 'content-type': 'text/csv', 'x-reduct-label-a': '1' };
      await api.ok('POST', '/b/src/line/one?ts=5', headers, 'x;y');
      await withTempDir(async (folder) => {
        await withClient(url, async (client) => {
          await copyAll(sourceOf(client, 'src'), folderSink(folder));
        });
        expect(await readdir(join(folder, 'line/one'))).toEqual(['5-meta.json', '5.csv']);
        expect(await readFile(join(folder, 'line/one/5.csv'), 'utf8')).toBe('x;y');
        expect(JSON.parse(await readFile(join(folder, 'line/one/5-meta.json'), 'utf8'))).toEqual({
          timestamp: 5,
          entry: 'line/one',
          content_type: 'text/csv',
          size: 3,
          labels: { a: '1' },
        });
      });
    });
  });

  test('is copied into again without writing what is there', async () => {
    await withInstance(async ({ url, api }) => {
      await fill(api, 'src', 'one', someRecords(120));
      await withTempDir(async (folder) => {
        await withClient(url, async (client) => {
          const first = await copyAll(sourceOf(client, 'src'), folderSink(folder, false, 'dat'));
          await fill(
            api,
            'src',
            'one',
            someRecords(5, () => ({}), { firstUs: 1n, stepUs: 1n }),
          );
          const second = await copyAll(sourceOf(client, 'src'), folderSink(folder, false, 'dat'), {
            verify: true,
          });
          expect(first.tally).toMatchObject({ copiedRecords: 120, failedRecords: 0 });
          expect(second.tally).toMatchObject({ copiedRecords: 5, skippedRecords: 120 });
          expect(second.verifiedRecords).toBe(125);
        });
        expect(await readdir(join(folder, 'one'))).toHaveLength(125);
      });
    });
  });

  test('with files that are no records, or damaged ones, gives the others and says why', async () => {
    await withInstance(async ({ url, api }) => {
      await withTempDir(async (folder) => {
        const entry = join(folder, 'one');
        await mkdir(entry);
        await writeFile(join(entry, '10.txt'), 'fine');
        await writeFile(join(entry, '20.txt'), 'cut');
        await writeFile(
          join(entry, '20-meta.json'),
          // Takes longer to read than the next one.
          `${' '.repeat(2_000_000)}{"content_type":"text/plain","size":100,"labels":{}}`,
        );
        await writeFile(join(entry, '30.txt'), 'bad meta');
        await writeFile(join(entry, '30-meta.json'), '{');
        await writeFile(join(entry, 'notes.txt'), 'not ours');
        await writeFile(join(entry, '.40.txt.1.part'), 'unfinished');
        await withClient(url, async (client) => {
          const report = await copyAll(new FolderSource(folder), sinkOf(client, 'dst'));
          expect(report.tally).toMatchObject({ copiedRecords: 1, failedRecords: 2 });
          expect(report.failures.first.map(({ ts }) => ts)).toEqual([20n, 30n]);
          expect(report.failures.first[0]?.reason).toContain('has 3 bytes');
        });
        const { headers, text } = await api.ok('GET', '/b/dst/one?ts=10');
        expect(headers['content-type']).toBe('text/plain');
        expect(text).toBe('fine');
      });
    });
  });

  test('never takes a name that leads out of it', async () => {
    await withTempDir(async (folder) => {
      await expect(async () => {
        for await (const _ of folderSink(folder).list('../x', { startUs: 0n, stopUs: 1n }));
      }).rejects.toThrow('Entry name can contain only');
    });
  });

  test('carries attachments along, and they stay attachments', async () => {
    await withInstance(async ({ url, api }) => {
      await fill(api, 'src', 'one', someRecords(2));
      const headers = { 'content-type': 'application/json', 'x-reduct-label-key': 'calibration' };
      await api.ok('POST', '/b/src/one/$meta?ts=77', headers, '{"gain":2}');
      await withTempDir(async (folder) => {
        await withClient(url, async (client) => {
          await copyAll(sourceOf(client, 'src'), folderSink(folder, false));
          await copyAll(new FolderSource(folder), sinkOf(client, 'dst'));
          const again = await copyAll(new FolderSource(folder), sinkOf(client, 'dst'));
          expect(again.tally).toMatchObject({ copiedRecords: 0, failedRecords: 0 });
        });
      });
      const attachment = await api.ok('GET', '/b/dst/one/$meta?ts=77');
      expect(attachment.headers['x-reduct-label-key']).toBe('calibration');
      expect(attachment.text).toBe('{"gain":2}');
    });
  });
});
