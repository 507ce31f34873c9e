import { spawnSync } from 'node:child_process';
import { root } from '../source-tree.ts';

/**
 * Runs a module's text in a process of its own, from the root, and returns what it printed. For calls that may never return: they
 * would hold up the test's process for good.
 */
export function printedBy(code: string): string {
  const { stdout, stderr, signal } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', code],
    { cwd: root, encoding: 'utf8', timeout: 30_000, killSignal: 'SIGKILL' },
  );
  return signal ? `it did not end: ${signal}` : stdout || stderr;
}
