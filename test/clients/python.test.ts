/** The published Python SDK in a virtual environment of its own, through all of its public methods. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { CLIENT_TOKEN, useClientServer } from './lib/client-server.ts';
import { parseReport } from './lib/report.ts';
import type { ScenarioReport } from './lib/report.ts';
import { cacheDir, run, runOk } from './lib/toolbox.ts';

const SOURCES = fileURLToPath(new URL('./python', import.meta.url));
const SCENARIO_TIMEOUT_MS = 120_000;

const STEPS = [
  'Reads information about server, buckets and its own token',
  'Creates, configures and removes buckets',
  'Sees entries with the sizes of the contract',
  'Renames entries with their descendants, and buckets',
  'Writes and reads single records with labels',
  'Writes and reads records in chunks',
  'Writes batches of one entry and gets errors per record',
  'Writes batches of several entries and gets errors per record',
  'Updates labels one by one and in batches',
  'Removes records, batches, query results and entries',
  'Queries by time and condition',
  'Queries several entries and patterns',
  'Follows an entry with a subscription',
  'Creates links to records that anyone can open',
  'Writes, reads and removes attachments',
  'Manages tokens and is held to their permissions',
  'Makes tokens with expiry, time to live and addresses',
  'Manages a replication that delivers',
  'Manages lifecycle policies',
  'Reads events of the $system bucket',
];

/** Installs the pinned SDK, once per content of requirements.txt. @returns the interpreter that has it. */
async function installPython(): Promise<string> {
  const requirements = join(SOURCES, 'requirements.txt');
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex');
  const venv = await cacheDir(`python-${digest.slice(0, 12)}`);
  const python = join(venv, 'bin', 'python');
  const isInstalled = existsSync(python) && (await run(python, ['-c', 'import reduct'])).code === 0;
  if (!isInstalled) {
    await runOk('python3', ['-m', 'venv', '--clear', venv]);
    await runOk(python, ['-m', 'pip', 'install', '--quiet', '--requirement', requirements]);
  }
  return python;
}

describe('reduct-py', () => {
  const running = useClientServer();
  let report: ScenarioReport;
  let stderr = '';

  beforeAll(async () => {
    const python = await installPython();
    const args = [join(SOURCES, 'scenario.py'), running.url(), CLIENT_TOKEN];
    const env = { PYTHONDONTWRITEBYTECODE: '1' };
    const result = await run(python, args, { env, timeoutMs: SCENARIO_TIMEOUT_MS });
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

  test('has been tried with every public method that it declares', () => {
    expect(report.methods?.declared).toBeGreaterThan(50);
    expect(report.methods?.missing).toEqual([]);
  });
});
