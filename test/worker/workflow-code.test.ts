import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dataConverter } from '../../temporal/connection.ts';
import { preloadModules, workflowsPath } from '../../temporal/workflow-bundle.ts';
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

const warnings: string[] = [];
const bundle = (main?: string, failureConverterPath?: string) =>
  bundleWorkflows({ failureConverterPath, warn: (said) => warnings.push(said), main });

test.each([
  ['without a key', undefined],
  ['with one, by which failures are encrypted, too', `k1:${randomBytes(32).toString('base64')}`],
])('is what the SDK would bundle in the worker itself, %s', async (_, key) => {
  const { failureConverterPath } = dataConverter({ key, oldKeys: undefined });
  const { code } = await bundleWorkflowCode({
    workflowsPath,
    preloadModules,
    failureConverterPath,
    logger: new DefaultLogger('ERROR'),
  });
  expect(code.includes('encodeCommonAttributes: true')).toBe(key !== undefined);
  expect((await bundle(undefined, failureConverterPath)).code).toBe(code);
});

test('what goes wrong is told in the words of the process that does it, and how that ended', async () => {
  const failed = "the workflows' code cannot be bundled: the process for it ended with";
  await expect(bundle(entry("process.stderr.write('no such module: x\\n'); process.exit(1);"))).rejects.toThrow(
    `${failed} code 1 and said: no such module: x`,
  );
  await expect(
    bundle(
      entry(
        "process.stderr.write('a warning\\n'); process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 1_000);",
      ),
    ),
  ).rejects.toThrow(`${failed} SIGKILL and said: a warning`);
  await expect(bundle(entry(''))).rejects.toThrow(`${failed} code 0 and said: nothing`);
});

test('what there is to say although it worked is told as a warning', async () => {
  expect(await bundle(entry("process.stderr.write('old\\n'); process.stdout.write('code');"))).toEqual({
    code: 'code',
  });
  expect(warnings).toEqual(['old']);
});
