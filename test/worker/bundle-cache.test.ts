import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keepBundle, readBundle, sourcesOf } from '../../worker/bundle-cache.ts';
import { bundleWorkflows } from '../../worker/workflow-code.ts';

let folder: string;
let source: string;
let cacheDir: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-bundle-cache-'));
  source = join(folder, 'workflow.ts');
  cacheDir = join(folder, 'cache');
  writeFileSync(source, 'export const a = 1;');
  const longAgo = new Date(Date.now() - 60_000);
  utimesSync(source, longAgo, longAgo);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A bundle that says it was made of these files. */
function bundleOf(...sources: string[]): string {
  const map = Buffer.from(JSON.stringify({ sources })).toString('base64');
  return `code;\n//# sourceMappingURL=data:application/json;charset=utf-8;base64,${map}\n`;
}

test('is that of the start before, also for one who asks at the same time', async () => {
  const code = bundleOf(source, 'webpack/bootstrap', join(folder, 'node_modules', 'gone.ts'));
  await Promise.all([keepBundle(cacheDir, 'none', code, Date.now()), keepBundle(cacheDir, 'none', code, Date.now())]);
  expect(await readBundle(cacheDir, 'none')).toBe(code);
  expect(await readBundle(cacheDir, 'another failure converter')).toBeUndefined();
  expect(readdirSync(cacheDir)).toHaveLength(1);
});

test.each([
  ['a source has changed', () => appendFileSync(source, '\n')],
  ['a source is gone', () => rmSync(source)],
  ['it was cut off', () => writeFileSync(stored(), readFileSync(stored(), 'utf8').slice(0, -9))],
  ['it was damaged', () => writeFileSync(stored(), readFileSync(stored(), 'utf8').replace('code;', 'c0de;'))],
  [
    'other packages are installed',
    () => writeFileSync(stored(), readFileSync(stored(), 'utf8').replace(/"packagesHash":".../, '"packagesHash":"xyz')),
  ],
])('is none when %s', async (_, change) => {
  await keepBundle(cacheDir, 'none', bundleOf(source), Date.now());
  change();
  expect(await readBundle(cacheDir, 'none')).toBeUndefined();
});

test.each([
  [
    'a source was written while it was bundled',
    () => bundleOf(source),
    () => utimesSync(source, new Date(), new Date(Date.now() + 1_000)),
  ],
  ['nobody knows its sources', () => 'code;', () => undefined],
  ['the folder is none', () => bundleOf(source), () => writeFileSync(cacheDir, '')],
])('is not kept when %s', async (_, code, change) => {
  change();
  await keepBundle(cacheDir, 'none', code(), Date.now());
  expect(await readBundle(cacheDir, 'none')).toBeUndefined();
});

test('of the workflows is bundled once, and then read', async () => {
  const bundleAgain = () =>
    bundleWorkflows({
      failureConverterPath: undefined,
      cacheDir,
      warn: () => undefined,
      main: join(folder, 'missing.ts'),
    });
  await expect(bundleAgain()).rejects.toThrow('cannot be bundled');
  const { code } = await bundleWorkflows({ failureConverterPath: undefined, cacheDir, warn: () => undefined });
  expect(await bundleAgain()).toEqual({ code });
  expect(sourcesOf(code).some((path) => path.endsWith('workflows/process-batch.ts'))).toBe(true);
});

function stored(): string {
  return join(cacheDir, readdirSync(cacheDir)[0]!);
}
