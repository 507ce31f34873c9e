import type { PartitionCommit } from '../kafka/source.ts';
import type { ChainProgress } from './chain-progress.ts';
import { encodeCommitMetadata, type CommitMetadata } from './commit-metadata.ts';

/**
 * What a chain has to commit of these partitions; of those whose position is known.
 *
 * @param tailOf see `CommitMetadata.tail`
 */
export function commitsOf(
  progress: ChainProgress,
  chains: number,
  partitions: Iterable<number>,
  tailOf: (partition: number) => CommitMetadata['tail'],
): PartitionCommit[] {
  const { layout, epoch } = progress.ref;
  return [...partitions].flatMap((partition) => {
    const offset = progress.position(partition);
    if (offset === undefined) return [];
    const tail = tailOf(partition);
    const metadata: CommitMetadata = {
      epoch,
      layout,
      chains,
      ...(progress.scored === undefined ? {} : { sequence: progress.scored }),
      ...(progress.isUntouched(partition) ? { first: true } : {}),
      ...(tail ? { tail } : {}),
    };
    return [{ partition, offset, metadata: encodeCommitMetadata(metadata) }];
  });
}
