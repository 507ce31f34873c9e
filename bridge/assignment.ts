import { boundsOf, boundsAround } from './log-bounds.ts';
import type { LastStarted } from '../temporal/starter.ts';
import type { Source } from '../kafka/source.ts';
import type { GroupState } from './first-positions.ts';
import { truncatedReason } from './offset-gap.ts';
import { decodeCommitMetadata, encodeCommitMetadata, type CommitMetadata } from './commit-metadata.ts';

/** Where a partition begins. */
export interface StartPosition {
  position: number;
  /** The next batch is the chain's first. */
  head: boolean;
  /** The record that must still be there; see `CommitMetadata.tail`. */
  tail?: CommitMetadata['tail'];
}

/** The partition cannot be worked on until an operator has acted. */
export class HaltError extends Error {
  override readonly name = 'HaltError';
}

export interface StartOptions {
  epoch: number;
}

/**
 * Finds where a newly assigned partition goes on. The first time, the position is committed before anything is started, so that
 * a crash between the two cannot begin the chain elsewhere. A commit that was deleted, or is not ours, says nothing: then the
 * chain goes on at the last batch that was started, whose run answers with its range. When no run is known any more, the chain is
 * walked again from the log's start, and the feature store refuses what it has seen.
 */
export async function resolveStart(
  source: Source,
  partition: number,
  group: GroupState,
  lastStarted: () => Promise<LastStarted | undefined>,
  { epoch }: StartOptions,
): Promise<StartPosition> {
  const commit = (await group.committed()).get(partition);
  const metadata = decodeCommitMetadata(commit?.metadata ?? null);
  const offset = commit?.offset ?? null;
  const isOurs = metadata !== undefined && metadata.epoch === epoch && offset !== null && offset >= 0;
  if (isOurs && !metadata.head) return { position: offset, head: false, tail: metadata.tail };
  if (metadata && metadata.epoch > epoch) {
    throw new HaltError(
      `the group has committed epoch ${metadata.epoch}, and this bridge runs epoch ${epoch}; set HEADRACE_EPOCH to ${metadata.epoch}`,
    );
  }
  const last = await lastStarted();
  // A first position can come late, from an owner before who found another one: once there are runs, they tell.
  if (isOurs && !last) return { position: offset, head: true };
  const position =
    last?.position ??
    (offset === null ? await group.firstPosition(partition) : (await boundsOf(source, partition)).start);
  const head = last?.head ?? true;
  const tail = last?.first;
  await source.commit(
    partition,
    position,
    encodeCommitMetadata({ epoch, ...(head ? { head } : {}), ...(tail ? { tail } : {}) }),
  );
  return { position, head, tail };
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
  partition: number,
  { position, tail }: StartPosition,
  tries: number,
): Promise<ReadStart> {
  const log = await boundsAround(source, partition, position, tries);
  if (log.end < position) throw new HaltError(truncatedReason(log.end, position));
  if (log.start > position) return { offset: log.start, lostTo: log.start };
  return tail && tail.offset >= log.start
    ? { offset: Math.min(tail.offset, position), verify: tail }
    : { offset: position };
}
