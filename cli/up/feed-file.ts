import { setTimeout as sleep } from 'node:timers/promises';
import { openEvents } from '../events/open-events.ts';
import { submitEvents } from '../submit-events.ts';
import type { Refusal } from '../submit-events.ts';

export interface FeedOptions {
  file: string;
  gatewayUrl: string;
  pipeline: string;
  /** Events per second; absent = as fast as they are taken. */
  rate?: number;
  /** Told each event that was refused. */
  onRefused: (refusal: Refusal) => void;
  onProgress: (progress: FeedProgress) => void;
  /** Waited for before each request: resolves when there is room on the disk. @default at once */
  room?: () => Promise<void>;
  signal: AbortSignal;
}

export interface FeedProgress {
  accepted: number;
  refused: number;
}

/** The gateway answers 503 while Kafka is away; beyond this many tries in a row (about five minutes) the feed gives up. */
const triesMax = 300;
/** Events are sent about this often, so that a slow feed is a steady one. */
const requestsPerSecond = 10;

/** Feeds a file of events through the gateway, which checks them. Rejects when the file or the gateway fails. */
export async function feedFile({
  file,
  gatewayUrl,
  pipeline,
  rate,
  onRefused,
  onProgress,
  room = () => Promise.resolve(),
  signal,
}: FeedOptions): Promise<FeedProgress> {
  const progress: FeedProgress = { accepted: 0, refused: 0 };
  const source = await openEvents(file);
  try {
    await submitEvents({
      gatewayUrl,
      pipeline,
      signal,
      triesMax,
      pieces: source.pieces,
      pace: paceOf(rate, room, signal),
      ...(rate !== undefined && { eventsMax: Math.max(1, Math.round(rate / requestsPerSecond)) }),
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
  } finally {
    source.close();
  }
}

/** Waits until there is room, and as many events are due as were accepted: those that were refused cost no time, and what was waited for room is not made up for. */
function paceOf(
  rate: number | undefined,
  room: () => Promise<void>,
  signal: AbortSignal,
): (accepted: number) => Promise<void> {
  let startedAt = Date.now();
  return async (accepted) => {
    const askedAt = Date.now();
    await room();
    signal.throwIfAborted();
    if (rate === undefined) return;
    startedAt += Date.now() - askedAt;
    const dueMs = startedAt + (accepted / rate) * 1_000 - Date.now();
    if (dueMs >= 1) await sleep(dueMs, undefined, { signal });
  };
}
