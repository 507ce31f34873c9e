import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../contracts/failures.ts';
import { makeFolder } from '../../../lib/make-folder.ts';

/** Remembers how many payments were published, so that a restart goes on instead of repeating. */
export interface Progress {
  published(): number;
  save(published: number): void;
}

/** Keeps the progress in a file of the data folder. Throws, naming the setting, when the folder cannot be used or the file was damaged. */
export function openProgress(dataDir: string): Progress {
  const folder = join(dataDir, 'simulator');
  const file = join(folder, 'fraud.json');
  try {
    makeFolder(folder);
    let published = readPublished(file);
    return {
      published: () => published,
      save(now) {
        published = now;
        writeFileSync(`${file}.new`, JSON.stringify({ published }));
        renameSync(`${file}.new`, file);
      },
    };
  } catch (error) {
    throw new Error(
      `the simulator cannot keep its progress in ${file} (${messageOf(error)}); check HEADRACE_DATA_DIR, or remove a damaged file to begin again`,
      { cause: error },
    );
  }
}

function readPublished(file: string): number {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
  const { published } = JSON.parse(text) as { published?: unknown };
  if (typeof published !== 'number' || !Number.isSafeInteger(published) || published < 0)
    throw new Error('it says no number of payments');
  return published;
}
