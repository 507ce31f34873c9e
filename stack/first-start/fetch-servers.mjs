// Gets the server programs while npm installs packages. What fetches them is TypeScript, so tsx is installed first, by itself.
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { runNpm } from './npm.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The folder of tsx (12 MB), of the version and with the hashes of the lock file; kept in the cache. */
async function installTsx(env, cache, signal) {
  const { version } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages['node_modules/tsx'];
  const folder = join(cache, `tsx-${version}`);
  const tsx = join(folder, 'node_modules', 'tsx');
  if (existsSync(tsx)) return tsx;
  const partial = `${folder}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  try {
    writeFileSync(join(partial, 'package.json'), JSON.stringify({ private: true, dependencies: { tsx: version } }));
    for (const file of ['package-lock.json', '.npmrc']) copyFileSync(join(root, file), join(partial, file));
    await runNpm(['install', '--no-save', '--prefix', partial], { cwd: partial, env, signal });
    renameSync(partial, folder);
  } catch (error) {
    // Another start may have been faster.
    if (!existsSync(tsx)) throw error;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return tsx;
}

/** Gets these servers into the cache. Their progress goes to our own output. Rejects with what went wrong. */
export async function fetchServers(names, { env, cache, signal }) {
  // The installation of all packages, which goes on beside this, says better what is wrong; the servers come after it then.
  const tsx = await installTsx(env, cache, signal).catch(() => undefined);
  if (tsx === undefined) return;
  await new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        '--import',
        pathToFileURL(join(tsx, 'dist', 'loader.mjs')).href,
        join(root, 'stack', 'servers', 'main.ts'),
        ...names,
      ],
      {
        cwd: root,
        env,
        stdio: ['ignore', 'inherit', 'pipe'],
      },
    );
    let said = '';
    child.stderr.on('data', (chunk) => void (said += chunk));
    const end = () => child.kill('SIGTERM');
    signal.addEventListener('abort', end, { once: true });
    child.once('error', reject);
    child.once('close', (code) => {
      signal.removeEventListener('abort', end);
      if (code === 0) resolve();
      else reject(new Error(said.trim() || `the servers cannot be fetched (exit code ${code})`));
    });
  });
}
