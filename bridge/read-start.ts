import type { PartitionRef } from '../contracts/event-key.ts';
import type { CommitMetadata } from './commit-metadata.ts';
import { boundsAround } from './log-bounds.ts';
import { beginAnew, truncatedReason } from './offset-gap.ts';
import { HaltError } from './work-status.ts';
import type { Source } from '../kafka/source.ts';

/** Where a partition goes on. */
export interface PartitionStart {
  position: number;
  /** The positions of the whole chain came with it, from a run: when the log does not fit to it, nothing of them can be trusted. */
  ofChain: boolean;
  /** A record that must still be where it was: see `CommitMetadata.tail`. Absent when none was at hand. */
  tail?: CommitMetadata['tail'];
}

/** Where reading begins. */
export interface ReadStart {
  offset: number;
  /** A record that has to be verified before anything is taken; reading begins at or below it. */
  verify?: CommitMetadata['tail'];
  /** Retention deleted what lies between the position and this offset. */
  lostTo?: number;
}

/**
 * Where to read from, so that kafkajs is never sent outside of the log: it would replace our commit by a default without
 * metadata. The last record may have been deleted since, and then cannot be verified. `tries` counts the calls for this start.
 */
export async function resolveRead(
  source: Source,
  partition: PartitionRef,
  { position, tail }: PartitionStart,
  tries: number,
): Promise<ReadStart> {
  const log = await boundsAround(source, partition.partition, position, tries);
  if (log.end < position) throw new HaltError(`${truncatedReason(log.end, position)}. ${beginAnew(partition)}`);
  if (log.start > position) return { offset: log.start, lostTo: log.start };
  return tail && tail.offset >= log.start
    ? { offset: Math.min(tail.offset, position), verify: tail }
    : { offset: position };
}
