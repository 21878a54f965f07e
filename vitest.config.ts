import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/stress/**', 'test/clients/**', 'test/interop/**'],
    pool: 'forks',
    // Most of them wait for processes, disks and timers; by itself vitest would take one worker on two cores.
    maxWorkers: 2,
    globalSetup: ['test/lib/global-setup.ts'],
    setupFiles: ['test/lib/property-tests.ts'],
    // Far above what anything takes: on a loaded machine a test is slow, not wrong.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
