import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/stress/**', 'test/clients/**', 'test/interop/**'],
    pool: 'forks',
    // Most of them wait for processes, disks and timers; by itself vitest would take one worker on two cores.
    maxWorkers: 2,
    globalSetup: ['test/lib/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
