/** The published JavaScript SDK, as any user has it, through all of its public methods. */
import { Batch, Bucket, Client, RecordBatch } from 'reduct-js';
import { beforeAll, describe, expect, test } from 'vitest';
import * as administration from './javascript/administration.ts';
import type { Scenario } from './javascript/context.ts';
import * as queries from './javascript/queries.ts';
import * as records from './javascript/records.ts';
import * as server from './javascript/server.ts';
import { CallRecorder, declaredMethods } from './lib/call-recorder.ts';
import { CLIENT_TOKEN, useClientServer } from './lib/client-server.ts';

const SCENARIOS: readonly (readonly [name: string, scenario: Scenario])[] = [
  ['reads information about server, buckets and its own token', server.serverInformation],
  ['keeps connections alive, and is told about wrong tokens', server.connections],
  ['creates, configures and removes buckets', server.bucketSettings],
  ['sees entries with the sizes of the contract', server.bucketContents],
  ['renames entries with their descendants, and buckets', server.renames],
  ['writes and reads single records with labels', records.singleRecords],
  ['writes and reads records of some megabytes, as buffer and as stream', records.bigRecords],
  ['writes batches of one entry and gets errors per record', records.batches],
  ['writes batches of several entries and gets errors per record', records.multiEntryBatches],
  ['updates labels one by one and in a batch', records.labelUpdates],
  ['updates labels over several entries', records.multiEntryUpdates],
  ['removes records, batches, query results and entries', records.removals],
  ['queries by time and condition', queries.queries],
  ['reads contents of query results within their batch limits', queries.queryContents],
  ['queries several entries and patterns', queries.multiEntryQueries],
  ['follows an entry with a continuous query', queries.continuousQueries],
  ['creates links to records that anyone can open', queries.queryLinks],
  ['writes, reads and removes attachments', queries.attachments],
  ['manages tokens and is held to their permissions', administration.tokens],
  ['makes tokens with expiry, time to live and addresses', administration.limitedTokens],
  ['manages a replication that delivers', administration.replications],
  ['manages lifecycle policies', administration.lifecycles],
  ['reads events of the $system bucket', administration.systemEvents],
];

describe('reduct-js', () => {
  const running = useClientServer();
  const recorder = new CallRecorder();
  let client: Client;

  beforeAll(async () => {
    client = new Client(running.url(), { apiToken: CLIENT_TOKEN });
    const watch = (file: string, name: string, prototype: object): void => {
      recorder.watch(name, prototype, declaredMethods(`reduct-js/lib/esm/${file}.d.ts`, name));
    };
    watch('Client', 'Client', Client.prototype);
    watch('Bucket', 'Bucket', Bucket.prototype);
    watch('Batch', 'Batch', Batch.prototype);
    watch('RecordBatch', 'RecordBatch', RecordBatch.prototype);
    const bucket = await client.createBucket('js-prototypes');
    const writable = await bucket.beginWrite('e', 1n);
    watch('Record', 'WritableRecord', Object.getPrototypeOf(writable));
    await writable.write('x');
    const readable = await bucket.beginRead('e', 1n);
    watch('Record', 'ReadableRecord', Object.getPrototypeOf(readable));
  });

  test.for(SCENARIOS.map(([name, scenario], index) => [name, scenario, index] as const))(
    '%s',
    async ([, scenario, index]) => {
      const bucket = await client.createBucket(`js-${index}`);
      await scenario({ url: running.url(), client, bucket });
    },
  );

  // The SDK closes the connections of the whole process, so nothing of it works afterwards.
  test('closes its connections', async () => {
    await client.close();
  });

  test('has been tried with every public method that it declares', () => {
    expect(recorder.size).toBeGreaterThan(60);
    expect(recorder.missing()).toEqual([]);
  });
});
