import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HeadraceError } from '../contracts/failures.ts';
import { writeDurably } from './durable-file.ts';

/** A lake's file that says whose it is. */
const ownerFile = 'deployment';

async function ownerOf(root: string): Promise<string | undefined> {
  try {
    return (await readFile(join(root, ownerFile), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Throws one sentence when a lake is another deployment's. Nothing in a lake's names tells deployments apart: a roll-up would take the
 * segments of one for those of the other, and remove them.
 */
export async function refuseForeignLake(root: string, deployment: string): Promise<void> {
  const owner = await ownerOf(root);
  if (owner === undefined || owner === deployment) return;
  throw new HeadraceError(
    'SINK_UNAVAILABLE',
    `the lake at ${root} belongs to deployment "${owner}"; give deployment "${deployment}" a lake of its own with LAKE_URL`,
  );
}

/** Makes a lake the deployment's own, the first time. Throws when it is another one's. */
export async function claimLake(root: string, deployment: string): Promise<void> {
  if ((await ownerOf(root)) === undefined) {
    await writeDurably(root, ownerFile, Buffer.from(`${deployment}\n`), { exclusive: true }).catch(
      (error: NodeJS.ErrnoException) => {
        // Another one was quicker.
        if (error.code !== 'EEXIST') throw error;
      },
    );
  }
  await refuseForeignLake(root, deployment);
}
