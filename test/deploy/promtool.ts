import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { root } from '../source-tree.ts';

const exec = promisify(execFile);

/** Runs Prometheus's own tool and gives what it prints. */
export type Promtool = (...args: string[]) => Promise<string>;

/**
 * Declares tests that need promtool, which is fetched where it can be. Where it is missing they are skipped and the reason is printed, but with CI=true that is a failure: a
 * green run there is a proof.
 */
export async function withPromtool(what: string, declare: (promtool: Promtool) => void): Promise<void> {
  try {
    const { stdout: path } = await exec('sh', [join(root, 'test/deploy/promtool.sh')], { timeout: 120_000 });
    declare(async (...args) => (await exec(path.trim(), args)).stdout);
  } catch (error) {
    const missing = (error as { stderr?: string }).stderr?.trim() || (error as Error).message;
    console.warn(`NOT RUN: ${what}: ${missing}`);
    if (process.env['CI'] === 'true') it(`${what} can run`, () => expect.fail(`missing in CI: ${missing}`));
    else it.skip(`${what} (not run: ${missing})`, () => undefined);
  }
}
