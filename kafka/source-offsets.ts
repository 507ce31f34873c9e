import type { Admin, Consumer } from 'kafkajs';
import { withTimeout } from '../lib/with-timeout.ts';
import type { LogReader } from './log-reader.ts';
import type { Source } from './source.ts';
import { kafkaRequests } from '../contracts/timeouts.ts';

/** What the group has committed. */
export function groupOffsets({
  consumer,
  admin,
  groupId,
  topic,
}: {
  consumer: Consumer;
  admin: Admin;
  groupId: string;
  topic: string;
}): Pick<Source, 'commitAll' | 'committed'> {
  return {
    commitAll(commits) {
      return withTimeout(
        kafkaRequests.commitMs,
        consumer.commitOffsets(commits.map((commit) => ({ ...commit, topic, offset: String(commit.offset) }))),
        `no answer to a commit within ${kafkaRequests.commitMs / 1_000} s`,
      );
    },
    async committed() {
      const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] });
      return new Map(
        (answer?.partitions ?? []).map(({ partition, offset, metadata }) => [
          partition,
          { offset: offset === '-1' ? null : Number(offset), metadata },
        ]),
      );
    },
  };
}

/** What the log of each partition holds. */
export function logOffsets({
  logs,
  admin,
  topic,
}: {
  logs: LogReader;
  admin: Admin;
  topic: string;
}): Pick<Source, 'bounds' | 'firstRecord' | 'timeAt' | 'offsetAt'> {
  return {
    bounds: () => logs.ends(topic),
    firstRecord: (partition, offset) => logs.firstRecord(topic, partition, offset),
    timeAt: (partition, offset) => logs.timeAt(topic, partition, offset),
    async offsetAt(partition, timeMs) {
      const answer = await admin.fetchTopicOffsetsByTimestamp(topic, timeMs);
      const found = answer.find((each) => each.partition === partition);
      if (!found) throw new Error(`the brokers do not know partition ${partition} of ${topic}`);
      return Number(found.offset);
    },
  };
}
