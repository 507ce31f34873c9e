import { encodeCommitMetadata } from '../../contracts/schemas/commit-metadata.ts';
import type { OffsetToCommit } from '../../kafka/group-commit.ts';
import { keptOf } from './plan-layout.ts';
import type { PartitionStand, TopicState } from './topic-state.ts';

/** Where partitions begin anew. */
export type Start = 'earliest' | 'latest' | number;

/** What is asked of a new epoch. */
export interface EpochPlan {
  /** Those that begin elsewhere; the others stay where they are. */
  partitions: readonly number[];
  start: Start;
  /** Of a topic of which nothing is committed any more. */
  layout: number;
  chains: number;
}

/** Why a new epoch cannot be begun so, in one sentence; undefined = it can. */
export function wrongEpochPlan(
  { topic: { topic }, partitions }: TopicState,
  { partitions: named, start }: Pick<EpochPlan, 'partitions' | 'start'>,
): string | undefined {
  const unknown = named.filter((each) => !partitions.some(({ partition }) => partition === each));
  if (unknown.length > 0) return `${topic} has no partition ${unknown.join(', ')}`;
  for (const { partition, log, position = log.start } of partitions) {
    const place = `${topic}-${partition}`;
    if (!named.includes(partition) && position > log.highWatermark)
      return `${place} is at offset ${position}, and its log ends at ${log.highWatermark}, so it cannot stay there: name it with --partition, too`;
    if (named.includes(partition) && typeof start === 'number' && (start < log.start || start > log.highWatermark))
      return `${place} holds offsets ${log.start} to ${log.highWatermark}, so it cannot begin at ${start}`;
  }
  return undefined;
}

/** What is committed for the next epoch: nothing of any partition is in a batch of it yet. */
export function planEpoch(
  { topic, layout, chains, partitions }: TopicState,
  plan: EpochPlan,
): { epoch: number; commits: Map<number, OffsetToCommit> } {
  const epoch = topic.epoch + 1;
  const common = { epoch, layout: layout ?? plan.layout, chains: chains ?? plan.chains };
  return {
    epoch,
    commits: new Map(
      partitions.map((stand) => {
        const { offset, ...kept } = plan.partitions.includes(stand.partition)
          ? { offset: startOf(stand, plan.start) }
          : keptOf(stand);
        return [stand.partition, { offset, metadata: encodeCommitMetadata({ ...common, ...kept, first: true }) }];
      }),
    ),
  };
}

function startOf({ log }: PartitionStand, start: Start): number {
  if (start === 'earliest') return log.start;
  return start === 'latest' ? log.end : start;
}
