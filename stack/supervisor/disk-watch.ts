import { boundLogFile } from '../servers/log-file.ts';
import { diskUseBytes } from './disk-use.ts';
import { sleep } from '../../lib/sleep.ts';

export interface DiskWatchOptions {
  folder: string;
  bytesMax: number;
  /** @default 10000 */
  intervalMs?: number;
  /** Logs that are cut when they grow too long, asked for at each look. */
  logFiles: () => string[];
  /** Told when the folder takes more than `bytesMax`, and not again before it had room. When it fails, the next look tells it again. */
  onLimit: (bytes: number) => Promise<void>;
  /** Told when it takes less than {@link roomShare} of `bytesMax` after that. When it fails, the next look tells it again. */
  onRoom: (bytes: number) => Promise<void>;
  /** A look that failed, or what was told; the next one follows. */
  onError: (error: unknown) => void;
}

/** A watch over the size of the data folder. */
export interface DiskWatch {
  stop: () => Promise<void>;
  /** What the last look found. */
  bytes: () => number;
}

/** Below this part of the limit there is room again; between the two nothing changes, so that it does not go to and fro. */
export const roomShare = 0.9;

/** Looks at once and then every ten seconds, until stopped. */
export function watchDisk(options: DiskWatchOptions): DiskWatch {
  const { folder, bytesMax, intervalMs = 10_000, logFiles, onLimit, onRoom, onError } = options;
  const ended = new AbortController();
  let latest = 0;
  let isFull = false;
  const look = async (): Promise<void> => {
    for (const file of logFiles()) boundLogFile(file);
    latest = await diskUseBytes(folder);
    if (isFull ? latest >= bytesMax * roomShare : latest <= bytesMax) return;
    await (isFull ? onRoom(latest) : onLimit(latest));
    isFull = !isFull;
  };
  const loop = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      await look().catch(onError);
      await sleep(intervalMs, ended.signal);
    }
  };
  const running = loop();
  return {
    bytes: () => latest,
    stop: () => {
      ended.abort();
      return running;
    },
  };
}
