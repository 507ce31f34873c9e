import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

/** The repository that this file is in. */
export const repositoryRoot = join(import.meta.dirname, '..', '..', '..');

/** The sources that a run tests: a commit of the product, or a folder as it is. */
export interface Product {
  root: string;
  /** Absent when the sources are no commit's. */
  commit?: string;
}

/** The present sources, changed or not. */
export function workingTree(): Product {
  return { root: repositoryRoot };
}

/** The sources of the last commit in a folder of their own: runs take hours, and nobody should have to stop typing meanwhile. */
export function exportCommit(folder: string): Product {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: repositoryRoot, encoding: 'utf8' });
  // What only tests, documents or measures does not make another product.
  const commit = git(
    'rev-list',
    '-1',
    'HEAD',
    '--',
    '.',
    ...['test', 'docs', 'bench', '*.md'].map((path) => `:(exclude)${path}`),
  ).trim();
  mkdirSync(folder, { recursive: true });
  const archive = join(folder, 'product.tar');
  git('archive', '--format=tar', `--output=${archive}`, 'HEAD');
  const root = join(folder, 'product');
  mkdirSync(root);
  execFileSync('tar', ['-xf', archive, '-C', root]);
  rmSync(archive);
  linkPackages(root);
  return { root, commit };
}

/** Makes the installed packages visible in a copy of the sources, whose own workspace packages take the places of their originals. */
function linkPackages(root: string): void {
  const installed = join(repositoryRoot, 'node_modules');
  const linked = join(root, 'node_modules');
  mkdirSync(join(linked, '@headrace'), { recursive: true });
  for (const name of readdirSync(installed)) {
    if (name !== '@headrace' && !name.startsWith('.')) symlinkSync(join(installed, name), join(linked, name));
  }
  for (const name of readdirSync(join(installed, '@headrace')))
    symlinkSync(join(root, name), join(linked, '@headrace', name));
}
