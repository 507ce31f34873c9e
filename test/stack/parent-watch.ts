import { execFileSync } from 'node:child_process';

/**
 * vitest `setupFiles`: a process that runs tests ends with the run, however that ends (Ctrl+C, SIGTERM, SIGKILL), and takes along what its
 * tests have started in its process group. Servers are in groups of their own, with guards that see their parent end.
 */
process.once('disconnect', () => {
  try {
    execFileSync('pkill', ['-TERM', '-P', String(process.pid), '-g', '0']);
  } catch {
    // There were none.
  }
  process.exit(1);
});
