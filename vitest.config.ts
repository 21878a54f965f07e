import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/stress/**', 'test/clients/**', 'test/interop/**'],
    pool: 'forks',
    globalSetup: ['test/lib/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
