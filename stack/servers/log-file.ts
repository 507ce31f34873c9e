import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';

/** How much of a log is read to find its last lines. */
const tailBytesMax = 64 * 1024;
/** A log beyond this size is cut when its server starts, and by {@link boundLogFile}. */
const logBytesMax = 16 * 1024 * 1024;

/** Reads a file from `offset` to its end, at most `bytesMax`. A missing file reads as empty. */
export function readFrom(path: string, offset: number, bytesMax: number): string {
  let handle: number;
  try {
    handle = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
  try {
    const length = Math.min(bytesMax, Math.max(0, fstatSync(handle).size - offset));
    const buffer = Buffer.alloc(length);
    const read = readSync(handle, buffer, 0, length, offset);
    return buffer.toString('utf8', 0, read);
  } finally {
    closeSync(handle);
  }
}

/** The last lines of a log file, newest last; empty when there is no log. `fromOffset` hides what earlier runs wrote. */
export function tailLines(path: string, lines: number, fromOffset = 0): string[] {
  const size = existsSync(path) ? statSync(path).size : 0;
  // A log that was cut since the run began is this run's from its start.
  const start = Math.max(fromOffset > size ? 0 : fromOffset, size - tailBytesMax);
  return readFrom(path, start, tailBytesMax)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-lines);
}

/** Moves an overlong log to `<path>.1`. Only before the writer opens it. */
export function rotateLogFile(path: string, bytesMax = logBytesMax): void {
  if (existsSync(path) && statSync(path).size > bytesMax) renameSync(path, `${path}.1`);
}

/**
 * Cuts a log that a running child appends to: its last 64 KiB go to `<path>.1`, the file starts again at zero.
 * The child writes with O_APPEND, so it goes on at the new end. Returns whether it cut.
 */
export function boundLogFile(path: string, bytesMax = logBytesMax): boolean {
  if (!existsSync(path) || statSync(path).size <= bytesMax) return false;
  writeFileSync(`${path}.1`, readFrom(path, statSync(path).size - tailBytesMax, tailBytesMax));
  truncateSync(path, 0);
  return true;
}
