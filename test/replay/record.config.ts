import { defineConfig } from 'vitest/config';

/** Runs `record.ts`, which is no test and therefore not found by `npm test`. */
export default defineConfig({
  test: {
    include: ['test/replay/record.ts'],
    globalSetup: ['test/stack/live-setup.ts'],
    testTimeout: 240_000,
    hookTimeout: 300_000,
    teardownTimeout: 60_000,
  },
});
