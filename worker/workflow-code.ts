import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { keepBundle, readBundle } from './bundle-cache.ts';

const timeoutMs = 120_000;
const bundlerMain = join(import.meta.dirname, 'bundler', 'main.ts');
const root = join(import.meta.dirname, '..');

export interface BundleWorkflowsOptions {
  /** Of the data converter; a worker that is given a bundle does not look at its own. */
  failureConverterPath: string | undefined;
  /** Told what there is to say although it worked. */
  warn: (said: string) => void;
  /** Where the bundle is kept for the next start; absent = nowhere. */
  cacheDir?: string;
  /** @default worker/bundler/main.ts */
  main?: string;
}

/** The code of all workflows, for `workflowBundle`: that of an earlier start while its sources are the same. Throws as `bundle` does. */
export async function bundleWorkflows(options: BundleWorkflowsOptions): Promise<{ code: string }> {
  const { cacheDir, failureConverterPath = 'none', warn } = options;
  const kept = cacheDir === undefined ? undefined : await readBundle(cacheDir, failureConverterPath);
  if (kept !== undefined) return { code: kept };
  const startedMs = Date.now();
  const { code, said } = await bundle(options);
  if (said !== '') warn(said);
  else if (cacheDir !== undefined) await keepBundle(cacheDir, failureConverterPath, code, startedMs);
  return { code };
}

/**
 * Bundles in another process: the tools for that would take 60 MiB of the worker for as long as it runs. Throws what that process had to say
 * when it fails.
 */
async function bundle({
  failureConverterPath,
  main = bundlerMain,
}: BundleWorkflowsOptions): Promise<{ code: string; said: string }> {
  const args = ['--import', 'tsx', main, ...(failureConverterPath === undefined ? [] : [failureConverterPath])];
  // A group of its own: a Ctrl+C is for the worker, which first starts and then stops.
  const child = spawn(process.execPath, args, {
    cwd: root,
    detached: true,
    timeout: timeoutMs,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const [code, said, [exitCode, signal]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (exitCode !== 0 || code === '')
    throw new Error(
      `the workflows' code cannot be bundled: the process for it ended with ${signal ?? `code ${exitCode}`} and said: ${said.trim() || 'nothing'}`,
    );
  return { code, said: said.trim() };
}
