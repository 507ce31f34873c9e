import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildTemporal } from './temporal-build.ts';
import { downloadTemporal } from './temporal-download.ts';
import { cacheEntry } from './cache.ts';
import { CommandError, runCommand } from './command.ts';
import type { PrepareOptions } from './types.ts';
import versions from './versions.json' with { type: 'json' };

/** The version that we download or build. Newer tags cannot be built by `go install`: their go.mod has a replace. */
export const temporalVersion = versions.temporal;
/** The oldest server inside a `temporal` of the user's own that we accept: Update-with-Start is on by default from here. */
const serverMinorMin = 28;

export interface PrepareTemporalOptions extends PrepareOptions {
  /** A `temporal` program to use and nothing else. */
  executable?: string;
  /** Whether a `temporal` on PATH may be used. @default true */
  searchPath?: boolean;
  /** Whether to download a release before building one. @default true */
  download?: boolean;
  /** Environment for the build. */
  env: NodeJS.ProcessEnv;
}

/** The server version inside a `temporal` program ("1.29.1"); undefined when it is missing or says nothing of one. */
async function serverVersionOf(executable: string): Promise<string | undefined> {
  try {
    const lines = await runCommand({ command: executable, args: ['--version'], timeoutMs: 10_000 });
    return /Server (\d+\.\d+\.\d+)/.exec(lines.join('\n'))?.[1];
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}

function isRecentEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 1 || (major === 1 && minor >= serverMinorMin);
}

async function explicitBinary(executable: string): Promise<string> {
  const version = await serverVersionOf(executable);
  if (version === undefined) {
    throw new Error(
      `TEMPORAL_EXECUTABLE names ${executable}, which does not run as a temporal program: correct the path or unset it`,
    );
  }
  if (!isRecentEnough(version)) {
    throw new Error(
      `TEMPORAL_EXECUTABLE names ${executable} with server ${version}; Headrace needs 1.${serverMinorMin} or newer`,
    );
  }
  return executable;
}

/** Name of the program inside our cache. */
const program = process.platform === 'win32' ? 'temporal.exe' : 'temporal';

/** Where the cache keeps the program, whether it is there or not. */
export function cachedTemporal(cacheDir: string): string {
  return join(cacheDir, `temporal-${temporalVersion}`, program);
}

async function obtain(folder: string, options: PrepareTemporalOptions): Promise<void> {
  const failures: string[] = [];
  if (options.download !== false) {
    try {
      return await downloadTemporal({
        folder,
        version: temporalVersion,
        onProgress: options.onProgress,
        signal: options.signal,
      });
    } catch (error) {
      failures.push(`download: ${(error as Error).message}`);
    }
  }
  try {
    return await buildTemporal({
      folder,
      version: temporalVersion,
      onProgress: options.onProgress,
      env: options.env,
      signal: options.signal,
    });
  } catch (error) {
    failures.push(`build: ${(error as Error).message}`);
  }
  throw new Error(
    `no Temporal server could be obtained. Install one of: the temporal program (on PATH or named by TEMPORAL_EXECUTABLE), Go 1.24 or newer, open internet.\n${failures.join('\n')}`,
  );
}

/**
 * Path of a usable `temporal` program (server, Web UI and CLI in one): the explicit one, else one on PATH, else ours from
 * the cache, which is downloaded or, where that is not possible, built with Go (2-3 minutes, once).
 */
export async function prepareTemporal(options: PrepareTemporalOptions): Promise<string> {
  if (options.executable !== undefined) return explicitBinary(options.executable);
  if (options.searchPath !== false) {
    const version = await serverVersionOf('temporal');
    if (version !== undefined && isRecentEnough(version)) return 'temporal';
    if (version !== undefined) {
      options.onProgress?.({
        server: 'temporal',
        what: `the temporal on PATH holds server ${version}, too old: using our own`,
        elapsedMs: 0,
      });
    }
  }
  const cached = cachedTemporal(options.cacheDir);
  if (existsSync(cached)) return cached;
  await cacheEntry({
    cacheDir: options.cacheDir,
    server: 'temporal',
    entry: `temporal-${temporalVersion}`,
    onProgress: options.onProgress,
    fill: (folder) => obtain(folder, options),
  });
  return cached;
}
