import type { TopicRef } from '../../contracts/event-key.ts';
import { groupIdOf } from '../../contracts/group-id.ts';
import { findNewestEpoch, findPartitionEnds } from '../../ledger/read-ledger.ts';
import type { OffsetToCommit } from '../../kafka/group-commit.ts';
import { loadPipelines } from '../../pipelines/load.ts';
import { followChain } from '../../status/follow-chain.ts';
import { createBatchRuns } from '../../temporal/runs.ts';
import { readCommits } from '../commits.ts';
import { connectServers, type Servers } from '../servers.ts';
import { systemConfig, type SystemConfig } from '../system-config.ts';
import type { Unfinished } from './plan-layout.ts';
import { readTopicState, type TopicState } from './topic-state.ts';

/** The topics of a system's pipelines, and the servers that know them. */
export interface Topics {
  /** Their epoch is that of partitions that nobody has committed. */
  list: TopicRef[];
  read(topic: TopicRef): Promise<TopicState>;
  /** In how many chains the file of a pipeline says that its topic is read; undefined when no folder of pipelines is named, or it has no such file. */
  chainsInFile(pipeline: string): Promise<number | undefined>;
  /** Batches of a topic that are open, or ended without completing: the first ones. */
  unfinished(topic: TopicRef): Promise<Unfinished>;
  /** Commits for a group without members, and makes sure that all of it is there. */
  commit(state: TopicState, commits: ReadonlyMap<number, OffsetToCommit>): Promise<void>;
  close(): Promise<void>;
}

const unfinishedMax = 5;
/** Bridges that were stopped may not have committed the last batches. */
const follow = { batchesMax: 500, deadlineMs: 30_000 };

/** Connects to the servers of a system, all of which have to answer. @param pipeline absent = all that are known */
export async function openTopics(dataDir: string | undefined, pipeline: string | undefined): Promise<Topics> {
  const system = systemConfig(dataDir, process.env);
  const { config } = system;
  const { deployment, epoch } = config;
  const servers = await connectServers(config);
  const { pool, temporal, kafka, away } = servers;
  const groupOf = (name: string) => groupIdOf(config, name);
  try {
    if (!pool || !temporal || !kafka) throw new Error(Object.values(away)[0]);
    const runs = createBatchRuns(temporal, deployment);
    const found = await topicsOf(system, servers, pipeline, groupOf);
    return {
      list: found.map(({ name, topic }) => ({ deployment, pipeline: name, epoch, topic })),
      read: (topic) =>
        readTopicState(topic, groupOf(topic.pipeline), {
          ...kafka,
          partitionEnds: (of) => findPartitionEnds(pool, of),
          newestEpoch: () => findNewestEpoch(pool, topic),
          follow: (chain, scored) =>
            followChain(temporal, chain, { ...follow, ...(scored === undefined ? {} : { scored }) }),
        }),
      chainsInFile: async (name) => (await fromFiles(config))?.find((each) => each.name === name)?.chains,
      async unfinished(topic) {
        const isOther = (of: TopicRef) =>
          of.pipeline !== topic.pipeline || of.topic !== topic.topic || of.epoch !== topic.epoch;
        return [...(await runs.open(topic, unfinishedMax)), ...(await runs.incomplete(unfinishedMax, isOther)).runs];
      },
      async commit({ topic, groupId }, commits) {
        await kafka.commitForGroup(groupId, topic.topic, commits);
        const [answer] = await kafka.admin.fetchOffsets({ groupId, topics: [topic.topic] });
        const there = new Map((answer?.partitions ?? []).map((each) => [each.partition, each]));
        const missing = [...commits].filter(([partition, { metadata }]) => there.get(partition)?.metadata !== metadata);
        if (missing.length > 0)
          throw new Error(
            `${missing.length} of ${commits.size} commits are not there; run the command again before any bridge is started`,
          );
      },
      close: servers.close,
    };
  } catch (error) {
    await servers.close();
    throw error;
  }
}

/** As the running system says, else the pipeline files, else commits. Throws one sentence when it is not clear. */
async function topicsOf(
  { config, topics, pipelines }: SystemConfig,
  { kafka }: Servers,
  pipeline: string | undefined,
  groupOf: (pipeline: string) => string,
): Promise<{ name: string; topic: string }[]> {
  const known = topics ?? (await fromFiles(config)) ?? [];
  const found = known.filter(({ name }) => pipeline === undefined || name === pipeline);
  if (found.length > 0) return found;
  const names = pipeline === undefined ? pipelines : [pipeline];
  const commits = await readCommits(names, kafka!.admin, groupOf);
  const existing = new Set(await kafka!.admin.listTopics());
  const places = new Map(
    commits
      .filter(({ topic }) => existing.has(topic))
      .map(({ pipeline: name, topic }) => [`${name} ${topic}`, { name, topic }]),
  );
  if (places.size === 0 || (pipeline !== undefined && places.size > 1))
    throw new Error(
      `it is not known which topic ${pipeline === undefined ? 'the pipelines read' : `pipeline "${pipeline}" reads`}: set HEADRACE_PIPELINES_DIR to the folder of its file`,
    );
  return [...places.values()];
}

async function fromFiles({
  pipelinesDir: dir,
  pipelines: names,
}: SystemConfig['config']): Promise<{ name: string; topic: string; chains: number }[] | undefined> {
  if (dir === undefined) return undefined;
  const loaded = await loadPipelines({ dir, names });
  return loaded.map(({ name, topic }) => ({ name, topic: topic.name, chains: topic.chains }));
}
