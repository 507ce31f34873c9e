import { homedir, platform } from 'node:os';
import { join } from 'node:path';

/** Where server programs are kept between runs: HEADRACE_CACHE_DIR, else the system's usual place for caches. */
export function defaultCacheDir(env: NodeJS.ProcessEnv): string {
  const chosen = env['HEADRACE_CACHE_DIR'];
  if (chosen !== undefined && chosen !== '') return chosen;
  if (platform() === 'darwin') return join(homedir(), 'Library', 'Caches', 'headrace');
  const base = env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'headrace');
}
