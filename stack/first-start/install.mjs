// Installs npm packages when they are missing or the lock file has changed. No dependencies.
import { existsSync, readFileSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runNpm } from './npm.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tellEveryMs = 3_000;

function readPackages(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : undefined;
}

/** Whether node_modules holds what the lock file says. npm writes its own list of what it installed. */
export function isInstalled(folder = root) {
  const wanted = readPackages(join(folder, 'package-lock.json'));
  // Without a lock file this is no clone: npm has put us where we are, with all that we need.
  const installed = readPackages(join(folder, 'node_modules', '.package-lock.json'));
  if (wanted === undefined) return true;
  if (installed === undefined) return false;
  return Object.entries(wanted).every(([path, { version, optional, link }]) => {
    if (!path.startsWith('node_modules/')) return true;
    // A package of ours has no version to compare, but its link must be there.
    if (link) return existsSync(join(folder, path));
    const found = installed[path];
    // Optional ones are for other platforms.
    return found === undefined ? optional === true : found.version === version;
  });
}

/** Folders of the packages that npm will surely put on this machine: optional ones stay away unless they are made for its system. */
export function expectedFolders(packages, system = { os: platform(), cpu: arch() }) {
  const fits = (wanted, own) =>
    wanted === undefined || wanted.includes(own) || wanted.some((name) => name.startsWith('!') && name !== `!${own}`);
  return Object.entries(packages)
    .filter(
      ([path, { link, optional, os, cpu, libc }]) =>
        path.startsWith('node_modules/') &&
        !link &&
        fits(os, system.os) &&
        fits(cpu, system.cpu) &&
        !libc &&
        (!optional || os),
    )
    .map(([path]) => path);
}

/** How far npm is, by what it has put in place: it says nothing itself until it is done. */
export function describeInstall(placed, total, elapsedMs) {
  const time = `${Math.round(elapsedMs / 1_000)} s`;
  if (placed === 0) return `npm packages: asking for about ${total}, ${time}`;
  if (placed < total) return `npm packages: downloading and unpacking, ${placed} of about ${total}, ${time}`;
  return `npm packages: all are unpacked, running what some of them do at their installation, ${time}`;
}

/**
 * Runs `npm install` as the lock file says, telling every few seconds how far it is. Rejects with what npm said. Not `npm ci`:
 * it refuses a lock file made where the packages of some other platform could not be had. The lock file is left as it is.
 */
export async function install(env, print, signal) {
  const folders = expectedFolders(readPackages(join(root, 'package-lock.json')) ?? {});
  const countPlaced = () => folders.filter((folder) => existsSync(join(root, folder, 'package.json'))).length;
  print(`installing about ${folders.length} npm packages (600 MB on disk, a minute or two)`);
  const startedAt = Date.now();
  const timer = setInterval(
    () => print(describeInstall(countPlaced(), folders.length, Date.now() - startedAt)),
    tellEveryMs,
  );
  try {
    await runNpm(['install', '--no-save'], { cwd: root, env, signal });
  } finally {
    clearInterval(timer);
  }
  print(`npm packages installed in ${Math.round((Date.now() - startedAt) / 1_000)} s`);
}
