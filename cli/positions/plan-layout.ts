import type { BatchRun } from '../../contracts/batch-runs.ts';
import { redriveCommand } from '../../contracts/redrive-command.ts';
import { encodeCommitMetadata } from '../../contracts/schemas/commit-metadata.ts';
import { isIncomplete } from '../../temporal/runs.ts';
import type { OffsetToCommit } from '../../kafka/group-commit.ts';
import type { PartitionStand, TopicState } from './topic-state.ts';

/** Batches of a topic that have not completed. */
export type Unfinished = Pick<BatchRun, 'workflowId' | 'status'>[];

/** Why the positions of a topic cannot be committed anew now, in one sentence; undefined = they can. */
export function refusalOf(state: TopicState, unfinished: Unfinished): string | undefined {
  const { topic, groupId, members, partitions, stands } = state;
  if (members > 0)
    return `the consumer group ${groupId} has ${members === 1 ? 'a member' : `${members} members`}: stop all bridges of pipeline "${topic.pipeline}" first (a bridge that was killed leaves the group within its session time-out)`;
  const foreign = partitions.find(({ isForeign }) => isForeign);
  if (foreign)
    return `what the group ${groupId} has committed of ${topic.topic}-${foreign.partition} does not come from a bridge, so it does not say where that partition is: start the bridges as they were, which commit it anew, and stop them again`;
  if (state.layout === undefined)
    return `no bridge has committed anything of ${topic.topic} for pipeline "${topic.pipeline}" yet, so there is nothing to change`;
  const [open] = [...stands.flatMap(({ state: { next } }) => (next ? [next] : [])), ...unfinished];
  if (open)
    return isIncomplete(open.status)
      ? `${open.workflowId} ended as ${open.status} without completing; re-drive it, and wait until it has completed: ${redriveCommand(open.workflowId)}`
      : `${open.workflowId} has not completed (it is ${open.status}): leave the workers running, and wait for it ("headrace status --verify --open-minutes 0" says what it waits for)`;
  const unknown = stands.find(({ state: { waiting, more } }) => waiting ?? more);
  return (
    unknown &&
    `it is not known where chain ${unknown.chain.layout}.${unknown.chain.chain} of ${topic.topic} ends: ${unknown.state.waiting?.text ?? 'its commits are too far behind; start the bridges as they were, let them catch up, and stop them again'}`
  );
}

/** Why a topic cannot have so many chains, in one sentence; undefined = it can. */
export function wrongNumber(chains: number, { topic, partitions }: TopicState): string | undefined {
  const count = partitions.length;
  if (chains >= 1 && chains <= count) return undefined;
  const [has, can] = count === 1 ? ['1 partition', '1 chain'] : [`${count} partitions`, `1 to ${count} chains`];
  return `${topic.topic} has ${has}, so it can have ${can}, and not ${chains}`;
}

/** What is committed for a new layout: of each partition the position that it has. */
export function planLayout(
  { topic: { epoch }, layout = 0, partitions }: TopicState,
  chains: number,
): { layout: number; commits: Map<number, OffsetToCommit> } {
  const next = layout + 1;
  return {
    layout: next,
    commits: new Map(
      partitions.map((stand) => {
        const { offset, ...kept } = keptOf(stand);
        return [stand.partition, { offset, metadata: encodeCommitMetadata({ epoch, layout: next, chains, ...kept }) }];
      }),
    ),
  };
}

/** Where a partition stays, and what its next commit keeps of the one before. One that nobody has begun begins at its earliest record. */
export function keptOf({ log, commit, position = log.start, first, mark }: PartitionStand) {
  const tail = position === commit?.offset ? commit.metadata.tail : mark;
  return { offset: position, ...(first && { first }), ...(tail && { tail }) };
}
