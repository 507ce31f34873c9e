import { defineConfig } from 'vitest/config';
import { LongestFirst } from './scripts/longest-first.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The servers of the tests are on this machine, and clients that tests make themselves would ask a proxy of the environment for them.
    env: { no_grpc_proxy: '127.0.0.1,localhost,::1' },
    globalSetup: ['test/stack/live-setup.ts'],
    setupFiles: ['test/stack/parent-watch.ts'],
    // Two cores, and servers beside the tests: more files at once would only make all of them slow.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 180_000,
    teardownTimeout: 60_000,
  },
});
