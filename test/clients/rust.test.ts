/** The published Rust SDK, built from the registry, through all of its public methods. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { CLIENT_TOKEN, useClientServer } from './lib/client-server.ts';
import { parseReport } from './lib/report.ts';
import type { ScenarioReport } from './lib/report.ts';
import { cacheDir, run, runOk } from './lib/toolbox.ts';

const SOURCES = fileURLToPath(new URL('./rust', import.meta.url));
const SCENARIO_TIMEOUT_MS = 120_000;

const STEPS = [
  'reads information about server and buckets',
  'creates, configures and removes buckets',
  'sees entries with the sizes of the contract',
  'renames entries with their descendants, and buckets',
  'writes and reads single records with labels',
  'writes and reads records as streams',
  'writes batches of one entry and gets errors per record',
  'writes batches of several entries and gets errors per record',
  'updates labels one by one and in batches',
  'removes records, batches and entries',
  'removes records of several entries and query results',
  'queries by time and condition',
  'queries several entries and patterns',
  'follows an entry with a continuous query',
  'creates links to records that anyone can open',
  'writes, reads and removes attachments',
  'manages tokens and is held to their permissions',
  'makes tokens with expiry, time to live and addresses',
  'manages a replication that delivers',
  'manages lifecycle policies',
  'reads events of the $system bucket',
];

/** Public methods of reduct-rs 1.21.0, from its documentation pages. */
const METHODS: Readonly<Record<string, string>> = {
  ReductClient:
    'alive api_token bucket_list builder create_bucket create_lifecycle create_replication ' +
    'create_token create_token_builder delete_lifecycle delete_replication delete_token ' +
    'get_bucket get_lifecycle get_replication get_token list_lifecycles list_replications ' +
    'list_tokens me me_info rotate_token server_info set_lifecycle_mode set_replication_mode ' +
    'update_lifecycle update_replication url',
  Bucket:
    'create_query_link entries full_info info name query read_attachments read_record remove ' +
    'remove_attachments remove_batch remove_entry remove_query remove_record ' +
    'remove_record_batch rename rename_entry server_url set_settings settings update_batch ' +
    'update_record update_record_batch write_attachments write_batch write_record ' +
    'write_record_batch',
  CreateTokenBuilder: 'expires_at ip_allowlist permissions send ttl',
  QueryBuilder: 'continuous ext head_only send start start_us stop stop_us strict ttl when',
  Record: 'builder bytes content_length content_type labels stream_bytes timestamp timestamp_us',
  RecordBuilder:
    'add_label build content_length content_type data entry labels new stream timestamp',
  WriteBatchBuilder:
    'add_record add_records add_timestamp add_timestamp_us add_timestamps add_timestamps_us ' +
    'append_record append_records append_timestamp append_timestamp_us append_timestamps ' +
    'append_timestamps_us clear last_access record_count send size',
};

/** Builds the scenario with the locked versions; what it compiled is kept outside the checkout. @returns its path. */
async function buildScenario(): Promise<string> {
  const target = await cacheDir('rust-target');
  const env = { CARGO_TARGET_DIR: target };
  await runOk('cargo', ['build', '--quiet', '--locked', '--jobs', '2'], { cwd: SOURCES, env });
  return join(target, 'debug', 'millrace-client-scenarios');
}

function scenarioText(): string {
  const folder = join(SOURCES, 'src');
  return readdirSync(folder)
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');
}

describe('reduct-rs', () => {
  const running = useClientServer();
  let report: ScenarioReport;
  let stderr = '';

  beforeAll(async () => {
    const scenario = await buildScenario();
    const args = [running.url(), CLIENT_TOKEN];
    const result = await run(scenario, args, { timeoutMs: SCENARIO_TIMEOUT_MS });
    report = parseReport(result.stdout);
    ({ stderr } = result);
  });

  test.for(STEPS)('%s', (step) => {
    expect(report.steps.has(step), `the step did not run:\n${stderr}`).toBe(true);
    expect(report.steps.get(step)).toBeUndefined();
  });

  test('has run the steps listed here and no others', () => {
    expect([...report.steps.keys()]).toEqual(STEPS);
  });

  test.for(Object.entries(METHODS))('is tried with every public method of %s', ([, names]) => {
    const text = scenarioText();
    const missing = names
      .split(' ')
      .filter((name) => !text.includes(`.${name}(`) && !text.includes(`::${name}(`));
    expect(missing).toEqual([]);
  });
});
