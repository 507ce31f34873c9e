import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const packages = fileURLToPath(new URL('../node_modules', import.meta.url));
/** Of this checkout: beside what npm has installed for it, as tools keep their caches. */
export const bundleCacheDir = join(packages, '.cache', 'headrace');
/** What npm has installed, with the version and hash of each package. */
const installed = join(packages, '.package-lock.json');

interface StoredBundle {
  /** Of `code`: a file that was damaged is none. */
  codeHash: string;
  /** Of the list of installed packages. */
  packagesHash: string;
  /** The hash of each file of ours that went into it, by path. */
  sources: Record<string, string>;
  code: string;
}

/**
 * The bundle of an earlier start, when nothing that went into it has changed: bundling takes seconds, and a look at its files some
 * milliseconds. Undefined when there is none that holds.
 *
 * @param name what the bundle was made with, other than files
 */
export async function readBundle(folder: string, name: string): Promise<string | undefined> {
  try {
    const { codeHash, packagesHash, sources, code } = JSON.parse(
      await readFile(fileOf(folder, name), 'utf8'),
    ) as StoredBundle;
    const areSame = await Promise.all(
      [...Object.entries(sources), [installed, packagesHash] as const].map(
        async ([path, hash]) => hashOf(await readFile(path)) === hash,
      ),
    );
    return areSame.every(Boolean) && hashOf(code) === codeHash ? code : undefined;
  } catch {
    // Not there, cut off, or of files that are gone: then it is bundled.
    return undefined;
  }
}

/**
 * Keeps a bundle for the next start. Keeps none when a source may have changed since `startedMs`, when its sources are unknown, or when the
 * folder cannot be written: the next start bundles again.
 */
export async function keepBundle(folder: string, name: string, code: string, startedMs: number): Promise<void> {
  try {
    const sources: StoredBundle['sources'] = {};
    for (const path of sourcesOf(code)) {
      const source = await stat(path).catch(() => undefined);
      // The bundler's own entry point stands in no file.
      if (!source) continue;
      if (source.mtimeMs >= startedMs) return;
      sources[path] = hashOf(await readFile(path));
    }
    if (Object.keys(sources).length === 0) return;
    const file = fileOf(folder, name);
    const unfinished = `${file}.${process.pid}`;
    await mkdir(folder, { recursive: true });
    const packagesHash = hashOf(await readFile(installed));
    const stored: StoredBundle = { codeHash: hashOf(code), packagesHash, sources, code };
    await writeFile(unfinished, JSON.stringify(stored));
    await rename(unfinished, file);
  } catch {
    // A checkout that is read-only, or a full disk.
  }
}

/** The files of ours that a bundle was made of, which its source map names. */
export function sourcesOf(code: string): string[] {
  const [, encoded] = /sourceMappingURL=data:application\/json;charset=utf-8;base64,(\S+)/.exec(code) ?? [];
  if (encoded === undefined) return [];
  const { sources } = JSON.parse(Buffer.from(encoded, 'base64').toString()) as { sources: string[] };
  return sources.filter((source) => source.startsWith('/') && !source.includes('/node_modules/'));
}

function fileOf(folder: string, name: string): string {
  return join(folder, `workflows-${hashOf(name).slice(0, 16)}.json`);
}

function hashOf(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url');
}
