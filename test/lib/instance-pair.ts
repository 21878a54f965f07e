/** Two instances on empty folders, and a task `t` that sends bucket `src` of one to bucket `dst` of the other. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { type RunningInstance, startInstance, TEST_TOKEN } from './instance.ts';

export interface InstancePair {
  source: RunningInstance;
  target: RunningInstance;
}

export interface PairOptions {
  /** Further settings of the task. */
  readonly settings?: object;
  readonly sourceEnv?: Readonly<Record<string, string>>;
}

/** A pair for each test of the enclosing block. */
export function usePair(options: PairOptions = {}): InstancePair {
  let pair: InstancePair | undefined;
  let folder = '';
  const running = (): InstancePair => {
    if (pair === undefined) throw new Error('the pair is used outside of a test');
    return pair;
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
    const source = await startInstance(join(folder, 'source'), options.sourceEnv);
    pair = { source, target: await startInstance(join(folder, 'target')) };
    await source.api.ok('POST', '/b/src');
    await pair.target.api.ok('POST', '/b/dst');
    const body = {
      src_bucket: 'src',
      dst_bucket: 'dst',
      dst_host: pair.target.url,
      dst_token: TEST_TOKEN,
      ...options.settings,
    };
    await source.api.ok('POST', '/replications/t', {}, JSON.stringify(body));
  });
  afterEach(async () => {
    await pair?.source.stop();
    await pair?.target.stop();
    pair = undefined;
    await rm(folder, { recursive: true, force: true });
  });
  return {
    get source() {
      return running().source;
    },
    set source(instance) {
      running().source = instance;
    },
    get target() {
      return running().target;
    },
    set target(instance) {
      running().target = instance;
    },
  };
}
