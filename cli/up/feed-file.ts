import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { submitLines } from '../submit-lines.ts';
import type { Refusal } from '../submit-lines.ts';

export interface FeedOptions {
  file: string;
  gatewayUrl: string;
  pipeline: string;
  /** Lines per second; absent = as fast as they are taken. */
  rate?: number;
  /** Told each line that was refused. */
  onRefused: (refusal: Refusal) => void;
  onProgress: (progress: FeedProgress) => void;
  signal: AbortSignal;
}

export interface FeedProgress {
  accepted: number;
  refused: number;
}

/** The gateway answers 503 while Kafka is away; beyond this many tries in a row (about five minutes) the feed gives up. */
const triesMax = 300;
/** Lines are sent about this often, so that a slow feed is a steady one. */
const requestsPerSecond = 10;

/** Feeds a file of JSON lines through the gateway, which checks them. Blank lines are skipped. Rejects when the file or the gateway fails. */
export async function feedFile({ file, gatewayUrl, pipeline, rate, onRefused, onProgress, signal }: FeedOptions): Promise<FeedProgress> {
  const progress: FeedProgress = { accepted: 0, refused: 0 };
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity });
  await submitLines({
    gatewayUrl, pipeline, signal, triesMax,
    lines: rate === undefined ? lines : paced(lines, rate, signal),
    linesMax: rate === undefined ? undefined : Math.max(1, Math.round(rate / requestsPerSecond)),
    onRefused: (refusal) => {
      progress.refused += 1;
      onRefused(refusal);
    },
    onAccepted: (count) => {
      progress.accepted += count;
      onProgress({ ...progress });
    },
  });
  return progress;
}

/** Passes lines on no faster than the rate. */
async function* paced(lines: AsyncIterable<string>, rate: number, signal: AbortSignal): AsyncGenerator<string> {
  const startedAt = Date.now();
  let passed = 0;
  for await (const line of lines) {
    const dueMs = startedAt + (passed / rate) * 1_000 - Date.now();
    if (dueMs >= 1) await delay(dueMs, undefined, { signal });
    passed += 1;
    yield line;
  }
}
