import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { useModelServer } from './support/servers.ts';

const packageFolder = path.join(import.meta.dirname, '..', '..', 'inference-client');

/** The code blocks of a document, without the stars of a doc comment. */
async function examplesOf(file: string): Promise<string[]> {
  const text = (await readFile(path.join(packageFolder, file), 'utf8')).replace(/^ \* ?/gm, '');
  return [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code as string);
}

it('the examples of the module and of the README run as they are, but for the address', {
  timeout: 60_000,
}, async () => {
  const { address } = await useModelServer();
  // Beside the tests, because the package is found from there.
  const folder = await mkdtemp(path.join(import.meta.dirname, 'examples-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const outputs: string[] = [];
  for (const [index, code] of [...(await examplesOf('index.ts')), ...(await examplesOf('README.md'))].entries()) {
    const file = path.join(folder, `example-${index}.ts`);
    expect(code).toContain("'127.0.0.1:8001'");
    await writeFile(file, code.replace('127.0.0.1:8001', address));
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file], { timeout: 30_000 });
    outputs.push(stdout.trim());
  }
  expect(outputs).toEqual([
    '2 Float32Array(2) [ 117.5, 138.5 ]',
    '[ 10000, 1 ] all by version 2',
    '2 Float32Array(2) [ 117.5, 138.5 ]',
  ]);
});
