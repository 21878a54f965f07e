import { defineConfig } from 'vitest/config';

/** Published clients against a running instance. The first run downloads and builds them (see CONTRIBUTING.md). */
export default defineConfig({
  test: {
    include: ['test/clients/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    globalSetup: ['test/lib/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 1_800_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
