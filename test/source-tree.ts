import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** What one file imports. */
export interface Import {
  /** As it is written. */
  specifier: string;
  /** Path from the root, for a relative import and for one of a package of ours. */
  path?: string;
  /** True for `import type` and `export type`. */
  typeOnly: boolean;
  /** True for a file that is only named, by `new URL('./...', import.meta.url)`. */
  named: boolean;
}

/** The files that our own packages let others import, by the name that an import gives: `@headrace/stack/servers`. */
const doors = new Map(
  (JSON.parse(textOf('package.json')) as { workspaces: string[] }).workspaces.flatMap((folder) => {
    const { name, exports } = JSON.parse(textOf(`${folder}/package.json`)) as {
      name: string;
      exports: Record<string, string>;
    };
    return Object.entries(exports).map(([door, file]) => [join(name, door), join(folder, file)] as const);
  }),
);

const importPattern = /(?:^|\n)\s*(import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"\n]+)['"]/g;
const laterPattern = /(\bimport\(\s*|\bnew URL\(\s*)['"]([^'"\n]+)['"]/g;

/** Every file that git keeps or would keep, as paths from the root. */
export function trackedFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 16 * 1024 * 1024,
  });
  return [...new Set(listed.split('\0'))].filter((path) => path !== '' && existsSync(join(root, path))).sort();
}

export function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Static and dynamic imports, re-exports, and files named by `new URL('./...', import.meta.url)`. */
export function importsOf(path: string): Import[] {
  const text = withoutComments(textOf(path));
  const found = [
    ...[...text.matchAll(importPattern)].map((match) => ({
      specifier: match[3]!,
      typeOnly: match[2] !== undefined,
      named: false,
    })),
    ...[...text.matchAll(laterPattern)].map((match) => ({
      specifier: match[2]!,
      typeOnly: false,
      named: match[1]!.startsWith('new'),
    })),
  ];
  return found.map((each) => {
    if (each.specifier.startsWith('.'))
      return { ...each, path: relative(root, join(root, dirname(path), each.specifier)) };
    const door = doors.get(each.specifier);
    return door === undefined ? each : { ...each, path: door };
  });
}

/** The files that a program reads when it runs, itself included: what it imports, what those import, and so on. */
export function closureOf(entries: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const open = [...entries];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path) || !existsSync(join(root, path)) || !/\.(ts|mts|mjs|js)$/.test(path)) continue;
    seen.add(path);
    for (const { path: next, typeOnly } of importsOf(path)) if (next !== undefined && !typeOnly) open.push(next);
  }
  return seen;
}

/** Groups of files that import each other in a circle, types included, each in order. */
export function circlesIn(paths: readonly string[]): string[][] {
  const reachedFrom = new Map<string, Set<string>>();
  const nextOf = new Map(
    paths.map((path) => [
      path,
      importsOf(path).flatMap(({ path: next, named }) => (next !== undefined && !named ? [next] : [])),
    ]),
  );
  for (const path of paths) {
    const reached = new Set<string>();
    const open = [...nextOf.get(path)!];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (reached.has(next)) continue;
      reached.add(next);
      open.push(...(nextOf.get(next) ?? []));
    }
    reachedFrom.set(path, reached);
  }
  const circles = paths.map((path) =>
    paths.filter((other) => reachedFrom.get(path)!.has(other) && reachedFrom.get(other)!.has(path)),
  );
  return [...new Map(circles.filter((circle) => circle.length > 0).map((circle) => [circle.join(), circle])).values()];
}

/** Blanks comments out; good enough for code that is formatted like ours. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/[^\n]*/g, '$1');
}
