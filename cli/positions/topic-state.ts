import { chainId, chainOf, type ChainRef, type TopicRef } from '../../contracts/event-key.ts';
import type { RecordMark } from '../../contracts/names.ts';
import { decodeCommitMetadata, type CommitMetadata } from '../../contracts/schemas/commit-metadata.ts';
import type { Admin } from '../../kafka/connection.ts';
import type { LogEnds, LogReader } from '../../kafka/log-reader.ts';
import type { PartitionEnd } from '../../contracts/partition-end.ts';
import type { ChainState } from '../../status/follow-chain.ts';

/** One partition of a topic, as its group, its chain and the ledger have it. */
export interface PartitionStand {
  partition: number;
  log: LogEnds;
  /** What the bridge has committed; absent = nothing. */
  commit?: { offset: number; metadata: CommitMetadata };
  /** Somebody else has committed. */
  isForeign?: true;
  /** The next offset that no batch has; absent = no batch, commit or row of the ledger tells. */
  position?: number;
  /** Nothing of it was in a batch yet. */
  first?: true;
  /** The first record of the last batch that had the partition, as far as its run is still known. */
  mark?: RecordMark;
}

/** A chain with what is known of it. */
export interface ChainStand {
  chain: ChainRef;
  partitions: number[];
  state: ChainState;
}

/** A topic of a pipeline, as it is read now. */
export interface TopicState {
  topic: TopicRef;
  groupId: string;
  members: number;
  /** The newest that is committed; absent = no bridge has committed anything. */
  layout?: number;
  /** In how many chains it is read in that layout. */
  chains?: number;
  partitions: PartitionStand[];
  /** Of the newest layout, and of older ones that partitions are still committed in. */
  stands: ChainStand[];
}

export interface TopicSources {
  admin: Pick<Admin, 'fetchOffsets' | 'describeGroups'>;
  logs: Pick<LogReader, 'ends'>;
  partitionEnds(topic: TopicRef): Promise<ReadonlyMap<number, PartitionEnd>>;
  /** The newest epoch that the ledger has of the topic. */
  newestEpoch(): Promise<number | undefined>;
  follow(chain: ChainRef, scored: number | undefined): Promise<ChainState>;
}

/**
 * Reads how a topic stands. Positions are those of the last run of each chain; only where that is gone do commits and the ledger count.
 * @param asked its epoch is that of commits that say none
 */
export async function readTopicState(asked: TopicRef, groupId: string, sources: TopicSources): Promise<TopicState> {
  const { admin, logs } = sources;
  const { groups } = await admin.describeGroups([groupId]);
  const [answer] = await admin.fetchOffsets({ groupId, topics: [asked.topic] });
  const found = new Map((answer?.partitions ?? []).map((each) => [each.partition, each]));
  const partitions: PartitionStand[] = [];
  for (const [partition, log] of await logs.ends(asked.topic)) {
    if (log instanceof Error) throw new Error(`${asked.topic}-${partition}: ${log.message}`, { cause: log });
    const { offset = '-1', metadata = null } = found.get(partition) ?? {};
    const ours = decodeCommitMetadata(metadata);
    partitions.push({
      partition,
      log,
      ...(ours && Number(offset) >= 0 ? { commit: { offset: Number(offset), metadata: ours } } : {}),
      ...(!ours && Number(offset) >= 0 ? { isForeign: true } : {}),
    });
  }
  partitions.sort((a, b) => a.partition - b.partition);
  const committed = partitions.flatMap(({ commit }) => (commit ? [commit.metadata] : []));
  // Kafka forgets what was committed of a topic that is deleted.
  const epoch =
    committed.length > 0
      ? Math.max(...committed.map((metadata) => metadata.epoch))
      : Math.max(asked.epoch, (await sources.newestEpoch()) ?? 0);
  const topic = { ...asked, epoch };
  const newest = committed.toSorted((a, b) => b.epoch - a.epoch || b.layout - a.layout)[0];
  const ends = await sources.partitionEnds(topic);
  const stands = await standsOf(topic, partitions, newest, ends, sources);
  return {
    topic,
    groupId,
    members: groups[0]?.members.length ?? 0,
    ...(newest && { layout: newest.layout, chains: newest.chains }),
    partitions: partitions.map((each) => withPosition(each, stands, ends.get(each.partition))),
    stands,
  };
}

/** Each chain once, followed from the highest batch that commits or the ledger name for any of its partitions. */
async function standsOf(
  topic: TopicRef,
  partitions: readonly PartitionStand[],
  newest: CommitMetadata | undefined,
  ends: ReadonlyMap<number, PartitionEnd>,
  { follow }: Pick<TopicSources, 'follow'>,
): Promise<ChainStand[]> {
  const found = new Map<string, { chain: ChainRef; partitions: number[]; scored: number | undefined }>();
  for (const { partition, commit } of partitions) {
    const metadata = commit?.metadata ?? newest;
    if (!metadata) continue;
    const { epoch, layout, chains } = metadata;
    const chain: ChainRef = { ...topic, epoch, layout, chain: chainOf(partition, chains) };
    const stand = found.get(chainId(chain)) ?? { chain, partitions: [], scored: undefined };
    found.set(chainId(chain), stand);
    stand.partitions.push(partition);
    const end = ends.get(partition);
    const named = [commit?.metadata.sequence, end?.layout === layout ? end.sequence : undefined];
    for (const sequence of named) if (sequence !== undefined) stand.scored = Math.max(sequence, stand.scored ?? 0);
  }
  return Promise.all(
    [...found.values()].map(async ({ chain, partitions: own, scored }) => ({
      chain,
      partitions: own,
      state: await follow(chain, scored),
    })),
  );
}

function withPosition(
  stand: PartitionStand,
  stands: readonly ChainStand[],
  end: PartitionEnd | undefined,
): PartitionStand {
  const { partition, commit } = stand;
  const { state } = stands.find(({ partitions }) => partitions.includes(partition)) ?? {};
  const known = [commit?.offset, end?.end].filter((each) => each !== undefined);
  const position = state?.positions[partition] ?? (known.length > 0 ? Math.max(...known) : undefined);
  const mark = state?.marks[partition];
  const isFirst =
    position === undefined ||
    state?.untouched.includes(partition) ||
    (commit?.metadata.first === true && position === commit.offset);
  return {
    ...stand,
    ...(position === undefined ? {} : { position }),
    ...(isFirst ? { first: true } : {}),
    ...(mark && { mark }),
  };
}

/** What the log holds of some partitions beyond their positions, in offsets. */
export function lagOf(partitions: readonly PartitionStand[]): number {
  return partitions.reduce(
    (sum, { log, position }) => sum + Math.max(0, log.highWatermark - Math.max(position ?? log.start, log.start)),
    0,
  );
}
