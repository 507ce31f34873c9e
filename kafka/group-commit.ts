import { setTimeout as sleep } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { withTimeout } from '../lib/with-timeout.ts';
import { createCluster, errorOf, send, type Broker, type Cluster } from './cluster.ts';

const deadlineMs = 20_000;
const triesMax = 30;
const pauseMs = 500;

/** kafkajs 2.2.4's way to the broker that keeps the offsets of a group. */
interface GroupCluster extends Cluster {
  findGroupCoordinator(of: { groupId: string }): Promise<Broker>;
}

interface ProtocolError extends Error {
  type: string;
  retriable: boolean;
}

interface CommitAnswer {
  responses: { partitions: { partition: number; errorCode: number }[] }[];
}

/** An offset to commit, and what stands beside it. */
export interface OffsetToCommit {
  offset: number;
  metadata: string;
}

/** What a broker says to whoever commits for a group without being its member, while it has some. */
const hasMembers = new Set(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS']);

/**
 * Commits offsets for a group that has no members, all in one request. The broker refuses it while the group has some, so that nobody who
 * reads is overtaken. kafkajs's own way, `admin.setOffsets`, joins the group and carries no metadata.
 */
export function commitForGroup(
  kafka: Kafka,
  groupId: string,
  topic: string,
  offsets: ReadonlyMap<number, OffsetToCommit>,
): Promise<void> {
  const commit = async () => {
    const cluster = createCluster(kafka) as GroupCluster;
    try {
      await cluster.connect();
      for (let tries = 1; ; tries++) {
        const refused = await tryOnce(cluster, groupId, topic, offsets);
        if (!refused) return;
        const error = errorOf(refused.errorCode) as ProtocolError;
        if (hasMembers.has(error.type))
          throw new Error(`the consumer group ${groupId} has members: stop all its bridges first`, { cause: error });
        // A broker that has just become the group's coordinator reads its offsets first.
        if (!error.retriable || tries >= triesMax)
          throw new Error(`the brokers refuse a commit of ${topic}-${refused.partition}: ${error.message}`, {
            cause: error,
          });
        await sleep(pauseMs);
      }
    } finally {
      void cluster.disconnect().catch(() => undefined);
    }
  };
  return withTimeout(deadlineMs, commit(), `no answer to a commit within ${deadlineMs / 1_000} s`);
}

/** The first partition that was refused. */
async function tryOnce(
  cluster: GroupCluster,
  groupId: string,
  topic: string,
  offsets: ReadonlyMap<number, OffsetToCommit>,
): Promise<{ partition: number; errorCode: number } | undefined> {
  const broker = await cluster.findGroupCoordinator({ groupId });
  const partitions = [...offsets].map(([partition, { offset, metadata }]) => ({
    partition,
    offset: String(offset),
    metadata,
  }));
  const fields = { groupId, groupGenerationId: -1, memberId: '', topics: [{ topic, partitions }] };
  const answer = await send(broker, 'OffsetCommit', fields, (decoded) => decoded as CommitAnswer);
  return answer.responses.flatMap((each) => each.partitions).find(({ errorCode }) => errorCode !== 0);
}
