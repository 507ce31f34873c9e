import type { Client } from '../temporal/connection.ts';
import type { Admin } from '../kafka/connection.ts';
import type { TopicRef } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import type { PartitionState } from '../contracts/partition-state.ts';
import { decodeCommitMetadata } from '../contracts/schemas/commit-metadata.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import { describeLatest } from '../temporal/runs.ts';
import type { LogEnds, LogReader } from '../kafka/log-reader.ts';
import { outsideState } from './outside-state.ts';
import type { PartitionEnd } from '../contracts/partition-end.ts';
import { chainsOf, placesOf, type CommittedPlace } from './places.ts';
import { explainRun } from '../temporal/run-waits.ts';
import { askProcesses, type ProcessState } from './partitions-asked.ts';
import { asking } from '../contracts/timeouts.ts';

export interface StateSources {
  deployment: string;
  epoch: number;
  pipelines: readonly { pipeline: string; topic: string; groupId: string }[];
  /** Metrics addresses of the other processes, by name. */
  targets: Readonly<Record<string, string>>;
  /** Undefined when no broker answers. */
  kafka: { logs: LogReader; admin: Pick<Admin, 'fetchOffsets' | 'describeGroups'> } | undefined;
  temporal: Client | undefined;
  /** Where the partitions of a topic end, as the range ledger has it. */
  partitionEnds: (topic: TopicRef) => Promise<ReadonlyMap<number, PartitionEnd>>;
}

/** How everything stands that waits for records. */
export interface SystemState {
  partitions: PartitionState[];
  processes: ProcessState[];
  /** What could not be looked at, and why. */
  unknown: Record<string, string>;
}

type Group = StateSources['pipelines'][number];

/** Looked at side by side. */
const atOnce = 8;

/** Asks the bridges, and of partitions that none of them tells of Kafka, Temporal and the ledger. Never rejects. */
export async function readSystemState(sources: StateSources, nowMs: number = Date.now()): Promise<SystemState> {
  const { processes, partitions: told } = await askProcesses(sources.targets, sources.deployment);
  const unknown: Record<string, string> = {};
  const all = await Promise.all(sources.pipelines.map((group) => groupStates(group, sources, told, unknown, nowMs)));
  const order = (a: PartitionState, b: PartitionState) =>
    a.pipeline.localeCompare(b.pipeline) || a.topic.localeCompare(b.topic) || a.partition - b.partition;
  return { partitions: all.flat().sort(order), processes, unknown };
}

async function groupStates(
  group: Group,
  sources: StateSources,
  told: readonly PartitionState[],
  unknown: Record<string, string>,
  nowMs: number,
): Promise<PartitionState[]> {
  const { pipeline, topic } = group;
  const ofBridges = new Map<number, PartitionState>();
  for (const state of told) {
    // While the group gives partitions out anew two may tell of one; whoever is further has it.
    const isFurther = (state.doneBelow ?? -1) >= (ofBridges.get(state.partition)?.doneBelow ?? -1);
    if (state.pipeline === pipeline && state.topic === topic && isFurther) ofBridges.set(state.partition, state);
  }
  const read = async <T>(
    what: string,
    work: (kafka: NonNullable<StateSources['kafka']>) => Promise<T>,
  ): Promise<T | undefined> => {
    try {
      if (!sources.kafka) throw new Error('no broker answers');
      return await withTimeout(asking.kafkaMs, work(sources.kafka));
    } catch (error) {
      unknown[what] = messageOf(error);
      return undefined;
    }
  };
  const ends = await read(`log of ${topic}`, ({ logs }) => logs.ends(topic));
  if (!ends) return [...ofBridges.values()];
  const others = [...ends].filter(([partition]) => !ofBridges.has(partition));
  const states = await Promise.all(
    [...ends].flatMap(([partition, each]) =>
      ofBridges.has(partition) ? [withPauser(sources.temporal, withEnds(ofBridges.get(partition)!, each))] : [],
    ),
  );
  if (others.length === 0) return states;
  const committed = await read(`committed offsets of ${group.groupId}`, ({ admin }) => committedOf(admin, group));
  const members = await read(`members of ${group.groupId}`, ({ admin }) => membersOf(admin, group.groupId));
  if (!committed) return states;
  const places = await placesOf(group, others, committed, sources, unknown);
  const follow = chainsOf([...places.values()], sources.temporal, nowMs);
  for (let i = 0; i < others.length; i += atOnce) {
    states.push(
      ...(await Promise.all(
        others.slice(i, i + atOnce).map(([partition, each]) => {
          const place = places.get(partition)!;
          return outsideState(
            {
              partition: { ...place.topic, partition },
              ends: each,
              done: place.done,
              members,
              groupId: group.groupId,
            },
            { logs: sources.kafka!.logs, chain: () => follow(place) },
            nowMs,
          );
        }),
      )),
    );
  }
  return states;
}

/** The brokers' word on where the log ends is newer than the bridge's. */
function withEnds(state: PartitionState, ends: LogEnds | Error): PartitionState {
  if (ends instanceof Error || state.doneBelow === undefined) return state;
  const logEnd = Math.max(ends.highWatermark, state.logEnd ?? 0);
  return {
    ...state,
    logEnd,
    stableEnd: Math.max(ends.end, state.stableEnd ?? 0),
    lag: Math.max(0, logEnd - state.doneBelow),
  };
}

/** Who paused it is nothing that a bridge tells. */
async function withPauser(temporal: Client | undefined, state: PartitionState): Promise<PartitionState> {
  const { run: workflowId, waiting } = state;
  if (waiting.kind !== 'paused' || workflowId === undefined || !temporal) return state;
  try {
    return await temporal.withDeadline(Date.now() + asking.temporalMs, async () => {
      const run = await describeLatest(temporal, workflowId);
      const found = run && (await explainRun(temporal, run)).find(({ kind }) => kind === 'paused');
      return found ? { ...state, waiting: { ...waiting, ...found } } : state;
    });
  } catch {
    // What the bridge told stays: only the name is missing.
    return state;
  }
}

/** Commits of the bridge; one without its metadata says nothing of what was decided. */
async function committedOf(
  admin: Pick<Admin, 'fetchOffsets'>,
  { groupId, topic }: Group,
): Promise<Map<number, CommittedPlace>> {
  const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] });
  return new Map(
    (answer?.partitions ?? []).flatMap(({ partition, offset, metadata }) => {
      const ours = decodeCommitMetadata(metadata);
      return ours && Number(offset) >= 0 ? [[partition, { ...ours, offset: Number(offset) }]] : [];
    }),
  );
}

async function membersOf(admin: Pick<Admin, 'describeGroups'>, groupId: string): Promise<number> {
  const { groups } = await admin.describeGroups([groupId]);
  return groups[0]?.members.length ?? 0;
}
