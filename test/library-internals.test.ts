import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { importsOf, textOf, trackedFiles } from './source-tree.ts';

/** How code reaches into a library: what it does not export, private members, replaced methods, lists that only look like lists, flags of V8. */
const reachesIn =
  /kafkajs\/src|kafkajsModule[<(]|_createSecureConnector|setFlagsFromString|getStartupConf|\bprocessID\b|patch-protobuf-root|extends Array\b|\bprototype\.\w+ =|\.prototype\b|getOwnPropertySymbols/;

const rows = [
  ...textOf('docs/decisions/0077-library-internals.md').matchAll(
    /^\| `([^`]+)` \| (\S+) (\S+) \| .* \| `([^`]+)`: (.+) \|$/gm,
  ),
].map(([, file, library, version, testFile, title]) => ({
  file: file!,
  library: library!,
  version: version!,
  testFile: testFile!,
  title: title!,
}));

const files = trackedFiles();

test('every file that reaches into a library has its row, and every row its file', () => {
  const reaching = files.filter(
    (path) => /\.(ts|mjs)$/.test(path) && !/^test\/|\/generated\//.test(path) && reachesIn.test(textOf(path)),
  );
  expect(rows.map(({ file }) => file).toSorted()).toEqual(reaching.toSorted());
});

test.each(rows)('$file has its test', ({ file, testFile, title }) => {
  expect(files).toContain(testFile);
  expect([`('${title}', `, `("${title}", `].some((begin) => textOf(testFile).includes(begin))).toBe(true);
  expect(reachedFrom(testFile)).toContain(file);
});

test.each(rows)('$file is for the version that is pinned and installed', ({ library, version }) => {
  const pins = ['package.json', 'inference-client/package.json', 'stack/package.json']
    .map((path) => (JSON.parse(textOf(path)) as { dependencies?: Record<string, string> }).dependencies?.[library])
    .filter((pin) => pin !== undefined);
  expect(new Set([...pins, installedVersionOf(library)])).toEqual(new Set([version]));
});

/** All files that run because this one does. */
function reachedFrom(path: string, reached = new Set<string>()): Set<string> {
  for (const { path: next, typeOnly } of importsOf(path)) {
    if (next === undefined || typeOnly || reached.has(next) || !files.includes(next)) continue;
    reachedFrom(next, reached.add(next));
  }
  return reached;
}

function installedVersionOf(library: string): string {
  for (let folder = dirname(createRequire(import.meta.url).resolve(library)); ; folder = dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, string>;
      if (manifest['name'] === library) return manifest['version']!;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}
