import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const timeoutMs = 120_000;
const codeBytesMax = 64 * 1_024 * 1_024;
const main = join(import.meta.dirname, 'bundler', 'main.ts');
const root = join(import.meta.dirname, '..');

/**
 * The code of all workflows, for `workflowBundle`. Another process puts it together: the tools for that would take 60 MiB of the worker for
 * as long as it runs. Throws what that process had to say when it fails.
 */
export async function bundleWorkflows(entry = main): Promise<{ code: string }> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', entry], { cwd: root, timeout: timeoutMs, maxBuffer: codeBytesMax });
    if (stdout === '') throw new Error('there is none');
    return { code: stdout };
  } catch (error) {
    throw new Error(`the workflows' code cannot be put together: ${(error as { stderr?: string }).stderr?.trim() || String(error)}`, { cause: error });
  }
}
