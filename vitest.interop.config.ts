import { defineConfig } from 'vitest/config';

/** A real ReductStore as source and as target. The first run builds it (see CONTRIBUTING.md). */
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    globalSetup: ['test/lib/global-setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 2_700_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
