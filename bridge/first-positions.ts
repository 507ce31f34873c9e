import type { Chain } from '../contracts/event-key.ts';
import { boundsOf } from './log-bounds.ts';
import { encodeCommitMetadata } from './commit-metadata.ts';
import type { Commit, Source } from '../kafka/source.ts';
import type { LastStarted } from '../temporal/starter.ts';

export interface FirstPositionsOptions {
  chain: Omit<Chain, 'partition'>;
  epoch: number;
  /** `earliest`, `latest` or an ISO time: where a topic begins that was never begun before. */
  startAt: string;
}

/** What an assignment knows of its consumer group; one for all its partitions. */
export interface GroupState {
  /** What the group holds for each partition. */
  committed(): Promise<Map<number, Commit>>;
  /** Where a partition begins that has no commit and no batch. */
  firstPosition(partition: number): Promise<number>;
}

/**
 * Asks the group once for all partitions of an assignment. `startAt` is about a topic that is begun for the first time: the first
 * positions of all its partitions are then committed in one request, before anything is started. So a partition that has none
 * although others have was added to the topic later: it begins at its earliest record, whatever `startAt` says.
 */
export function createGroupState(
  source: Source,
  lastStarted: (chain: Chain) => Promise<LastStarted | undefined>,
  { chain, epoch, startAt }: FirstPositionsOptions,
): GroupState {
  const committed = onceUntilItFails(() => source.committed());
  const begin = onceUntilItFails(async () => {
    if (await isBegun()) return new Map<number, number>();
    const positions = await resolveStartAt(source, startAt);
    await source.commitAll(positions, encodeCommitMetadata({ epoch, head: true }));
    return positions;
  });

  async function isBegun(): Promise<boolean> {
    const commits = [...(await committed()).values()];
    // Also one that is not ours any more: only a consumer of this group makes one.
    if (commits.some(({ offset }) => offset !== null)) return true;
    // Kafka forgets the commits of a group that was away for a week: the runs, and the ledger, still know.
    for (const partition of (await source.bounds()).keys()) {
      if (await lastStarted({ ...chain, partition })) return true;
    }
    return false;
  }

  return {
    committed,
    async firstPosition(partition) {
      const position = startAt === 'earliest' ? undefined : (await begin()).get(partition);
      return position ?? (await boundsOf(source, partition)).start;
    },
  };
}

/** Where each partition of a topic begins that is new to us. */
async function resolveStartAt(source: Source, startAt: string): Promise<Map<number, number>> {
  const bounds = await source.bounds();
  const positions = new Map<number, number>();
  if (startAt === 'latest') {
    for (const [partition, ends] of bounds) {
      // All partitions begin together, so all leaders have to answer.
      if (ends instanceof Error) throw ends;
      positions.set(partition, ends.end);
    }
    return positions;
  }
  for (const partition of bounds.keys())
    positions.set(partition, await source.offsetAt(partition, Date.parse(startAt)));
  return positions;
}

/** One answer for all who ask; after a failed attempt the next one who asks makes another. */
function onceUntilItFails<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask();
    const asked = answer;
    asked.catch(() => {
      if (answer === asked) answer = undefined;
    });
    return asked;
  };
}
