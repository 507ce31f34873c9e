import type { Admin } from '../kafka/connection.ts';
import type { BatchRunsPort, OffsetRange } from '../contracts/batch-runs.ts';
import { decodeCommitMetadata, type CommitMetadata } from '../contracts/schemas/commit-metadata.ts';
import { chainOf, type PartitionRef, type TopicRef } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import type { LogEnds, LogReader } from '../kafka/log-reader.ts';

/** What the group of a pipeline has committed of one partition. */
export interface Commit {
  pipeline: string;
  topic: string;
  partition: number;
  offset: number;
  /** Absent when somebody else than the bridge committed. */
  metadata?: CommitMetadata;
}

/** A partition that is committed, and of which the ledger has no batch. */
export interface WithoutBatch {
  pipeline: string;
  topic: string;
  partition: number;
  committed: number;
  /** Records below the commit that are still in the log, although the batch that the commit names does not say that they were in one. */
  unbatched?: OffsetRange;
}

/** Everything that the groups of these pipelines have committed, of topics that are not in the ledger too. */
export async function readCommits(
  pipelines: readonly string[],
  admin: Pick<Admin, 'fetchOffsets'>,
  groupOf: (pipeline: string) => string,
): Promise<Commit[]> {
  const commits: Commit[] = [];
  for (const pipeline of pipelines) {
    for (const { topic, partitions } of await admin.fetchOffsets({ groupId: groupOf(pipeline) })) {
      for (const { partition, offset, metadata } of partitions) {
        if (Number(offset) >= 0)
          commits.push({
            pipeline,
            topic,
            partition,
            offset: Number(offset),
            metadata: decodeCommitMetadata(metadata),
          });
      }
    }
  }
  return commits;
}

/** A partition that holds records, and in which no bridge has begun. */
export interface Unread {
  pipeline: string;
  topic: string;
  partition: number;
  records: number;
}

/** Partitions of the topics that are known by commits or batches, where there is neither. */
export async function findUnread(
  known: readonly Omit<Unread, 'records'>[],
  { admin, logs }: TopicReaders,
  unknown: Record<string, string>,
): Promise<Unread[]> {
  const topics = new Set(await admin.listTopics());
  const begun = new Set(known.map(({ pipeline, topic, partition }) => `${pipeline} ${topic} ${partition}`));
  const read = new Map(
    known
      .filter(({ topic }) => topics.has(topic))
      .map(({ pipeline, topic }) => [`${pipeline} ${topic}`, { pipeline, topic }]),
  );
  const unread: Unread[] = [];
  for (const [name, { pipeline, topic }] of read) {
    for (const [partition, ends] of await knownEnds(logs, topic, unknown)) {
      const records = ends.highWatermark - ends.start;
      if (records > 0 && !begun.has(`${name} ${partition}`)) unread.push({ pipeline, topic, partition, records });
    }
  }
  return unread;
}

/** Where topics are asked for. */
export interface TopicReaders {
  admin: Pick<Admin, 'listTopics'>;
  logs: Pick<LogReader, 'ends'>;
}

/** What is known of a topic's partitions. Of which it is not, because the leader is away for instance, is noted in `unknown`. */
async function knownEnds(
  logs: TopicReaders['logs'],
  topic: string,
  unknown: Record<string, string>,
): Promise<Map<number, LogEnds>> {
  const known = new Map<number, LogEnds>();
  for (const [partition, ends] of await logs.ends(topic)) {
    if (ends instanceof Error) unknown[`log of ${topic}-${partition}`] = messageOf(ends);
    else known.set(partition, ends);
  }
  return known;
}

export interface WithoutBatchOptions extends TopicReaders {
  deployment: string;
  /** Of commits that do not say theirs. */
  epoch: number;
  runs: Pick<BatchRunsPort, 'of'>;
  isMoot: (topic: TopicRef) => boolean;
  /** Takes what could not be looked at, and why. */
  unknown: Record<string, string>;
}

/**
 * What is to be said of commits of partitions that are not in the ledger. The bridge commits where it begins before it starts a batch, so most
 * of them are no error. It is one when records were committed that no batch has.
 */
export async function explainWithoutBatch(
  commits: readonly Commit[],
  { deployment, epoch, runs, admin, logs, isMoot, unknown }: WithoutBatchOptions,
): Promise<WithoutBatch[]> {
  if (commits.length === 0) return [];
  // Kafka keeps commits of topics that are gone for a while.
  const topics = new Set(await admin.listTopics());
  const explained: WithoutBatch[] = [];
  for (const topic of new Set(commits.map((commit) => commit.topic))) {
    const bounds = topics.has(topic) ? await knownEnds(logs, topic, unknown) : new Map<number, LogEnds>();
    for (const { pipeline, partition, offset: committed, metadata } of commits.filter(
      (commit) => commit.topic === topic,
    )) {
      const log = bounds.get(partition);
      const below = log && { from: log.start, to: Math.min(committed, log.highWatermark) };
      const ref: PartitionRef = { deployment, pipeline, epoch: metadata?.epoch ?? epoch, topic, partition };
      const isSound =
        metadata?.first === true ||
        !below ||
        below.to <= below.from ||
        isMoot(ref) ||
        (await isInBatches(ref, committed, metadata, runs));
      explained.push({ pipeline, topic, partition, committed, ...(!isSound && { unbatched: below }) });
    }
  }
  return explained;
}

/** True when the batch that a commit names says that everything below the offset was in batches. */
async function isInBatches(
  { partition, ...topic }: PartitionRef,
  committed: number,
  metadata: CommitMetadata | undefined,
  runs: Pick<BatchRunsPort, 'of'>,
): Promise<boolean> {
  if (metadata?.sequence === undefined) return false;
  const { layout, chains, sequence } = metadata;
  const run = await runs.of({ ...topic, layout, chain: chainOf(partition, chains) }, sequence);
  return (run?.positions[partition] ?? 0) >= committed;
}
