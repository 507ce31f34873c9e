import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { preloadModules, workflowsPath } from '../../runtime/workflow-bundle.ts';
import { bundleWorkflows } from '../../worker/workflow-code.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-workflow-code-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function entry(code: string): string {
  const path = join(folder, 'entry.mjs');
  writeFileSync(path, code);
  return path;
}

test('is what the SDK would put together in the worker itself', async () => {
  const { code } = await bundleWorkflowCode({ workflowsPath, preloadModules, logger: new DefaultLogger('ERROR') });
  expect((await bundleWorkflows()).code).toBe(code);
});

test('what goes wrong is told in the words of the process that does it', async () => {
  await expect(bundleWorkflows(entry("process.stderr.write('no such module: x\\n'); process.exit(1);"))).rejects.toThrow("the workflows' code cannot be put together: no such module: x");
  await expect(bundleWorkflows(entry(''))).rejects.toThrow('there is none');
});
