import { defineConfig } from 'vitest/config';

// The servers of the tests are on this machine, and clients that tests make themselves would ask a proxy of the environment for them.
process.env['no_grpc_proxy'] = '127.0.0.1,localhost,::1';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/stack/live-setup.ts'],
    // Two cores, and servers beside the tests: more files at once would only make all of them slow.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 180_000,
    teardownTimeout: 60_000,
  },
});
