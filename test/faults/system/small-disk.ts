import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A file system of its own of a few megabytes, in memory, that can be filled to the last byte and emptied. Needs Linux, and root. */
export class SmallDisk {
  private constructor(readonly folder: string) {}

  /** Mounts it on a folder, which is made. */
  static mount(folder: string, megabytes: number): SmallDisk {
    mkdirSync(folder, { recursive: true });
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'headrace-faults', folder], { stdio: 'pipe' });
    } catch (error) {
      throw new Error(
        `this row mounts a small file system, which needs Linux and root: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
    return new SmallDisk(folder);
  }

  /** Takes all space that is left. Returns how many bytes that was. */
  fill(): number {
    const file = openSync(join(this.folder, ballast), 'a');
    let bytes = 0;
    try {
      for (const piece of [1 << 20, 1 << 12]) {
        const zeros = Buffer.alloc(piece);
        while (hasRoom(() => (bytes += writeSync(file, zeros))));
      }
    } finally {
      closeSync(file);
    }
    return bytes;
  }

  /** Gives it back. */
  empty(): void {
    rmSync(join(this.folder, ballast), { force: true });
  }

  unmount(): void {
    execFileSync('umount', ['--lazy', this.folder], { stdio: 'pipe' });
  }
}

const ballast = 'ballast';

function hasRoom(write: () => void): boolean {
  try {
    write();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}
