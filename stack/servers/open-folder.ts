import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where root can make a folder that every account can enter, those first that outlive a restart of the machine. */
const bases = ['/var/lib', '/var/tmp', '/opt', tmpdir(), '/tmp'];

/**
 * A folder of ours that other accounts can enter and only we can write: none that somebody else has put there before, in a place
 * where all may write. Returns the first that can be made; throws when there is none.
 */
export function openFolder(): string {
  const reasons: string[] = [];
  for (const base of bases) {
    const path = join(base, 'headrace');
    try {
      mkdirSync(path, { recursive: true });
      const { uid } = lstatSync(path);
      if (!lstatSync(path).isDirectory() || uid !== process.getuid?.()) throw new Error('it belongs to somebody else');
      chmodSync(path, 0o755);
      return path;
    } catch (error) {
      reasons.push(`${path}: ${(error as Error).message}`);
    }
  }
  throw new Error(`no folder can be made that other accounts can enter (${reasons.join('; ')})`);
}
