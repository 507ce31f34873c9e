import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { startMarkOf } from '@headrace/stack/servers/identity';
import type { Endpoints } from '@headrace/stack/supervisor';

/** Data folder of `headrace up`, as the option, else the environment names it. */
export function dataDirOf(option: string | undefined, env: NodeJS.ProcessEnv): string {
  return resolve(option ?? (env['HEADRACE_DATA_DIR'] || '.headrace/data'));
}

/**
 * What `headrace up` says of the system that runs on this data folder; undefined when none runs there: there is no file, or the
 * supervisor that wrote it is gone. Throws one sentence when the file cannot be read or is of another version.
 */
export function findRunningSystem(dataDir: string): Endpoints | undefined {
  const file = join(dataDir, 'run', 'endpoints.json');
  let endpoints: Endpoints;
  try {
    endpoints = JSON.parse(readFileSync(file, 'utf8')) as Endpoints;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    const reason = code === 'EACCES' ? 'only the user who started it may' : (error as Error).message;
    throw new Error(`${file} cannot be read: ${reason}; check --data-dir`, { cause: error });
  }
  if (endpoints.version !== 1)
    throw new Error(`${file} was written by another version of Headrace; use that version's command`);
  return startMarkOf(endpoints.supervisorPid) === undefined ? undefined : endpoints;
}
