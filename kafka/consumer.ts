import type { Consumer, ConsumerConfig, ConsumerStartBatchProcessEvent, EachBatchPayload, Kafka } from 'kafkajs';
import { withTimeout } from '../lib/with-timeout.ts';
import { watchClock } from './clock-watch.ts';
import { createAdmin } from './admin.ts';
import { createChainAssigner } from './chain-assigner.ts';
import { installFetchDecoding } from './fetch-decoding.ts';
import { createLogReader, type LogReader } from './log-reader.ts';
import { toRecords } from './record.ts';
import { Commits } from './commits.ts';
import { FirstPoll } from './first-poll.ts';
import { installCoordinatorFailover } from './coordinator-failover.ts';
import { PollThrottle } from './poll-throttle.ts';
import type { Source, SourceHandlers } from './source.ts';
import { groupOffsets, logOffsets } from './source-offsets.ts';
import { tellingRights } from './source-rights.ts';
import { fetchedOffsetOf } from './kafkajs-internals.ts';
import { sessionTimes } from '../contracts/timeouts.ts';

export interface KafkaSourceOptions {
  topic: string;
  groupId: string;
  sessionTimeoutMs: number;
  /** In how many chains the topic is: a member of the group gets whole ones. */
  chains: number;
  /** For a commit. @default 20000 */
  commitDeadlineMs?: number;
  /** Connected and closed together with the consumer. @default one of this client */
  logs?: LogReader;
}

const newPartitionsMs = 30_000;

/** kafkajs behind the bridge's port. One instance is one consumer: when it crashes for good, make another. */
export function createKafkaSource(kafka: Kafka, options: KafkaSourceOptions): Source {
  return tellingRights(createSource(kafka, options), options);
}

function createSource(
  kafka: Kafka,
  { topic, groupId, sessionTimeoutMs, chains, commitDeadlineMs, logs = createLogReader(kafka) }: KafkaSourceOptions,
): Source {
  installCoordinatorFailover();
  const times = sessionTimes(sessionTimeoutMs);
  installFetchDecoding();
  const admin = createAdmin(kafka);
  let assigned: readonly number[] = [];
  const consumer = kafka.consumer({
    ...consumerConfig(groupId, sessionTimeoutMs),
    partitionAssigners: [createChainAssigner(chains, () => assigned)],
  });
  let crashed: SourceHandlers['crashed'] = () => {};
  const commits = new Commits(
    async (each) => consumer.commitOffsets(each.map((one) => ({ ...one, topic, offset: String(one.offset) }))),
    commitDeadlineMs,
    (error) => crashed(error),
  );
  const at = (partition: number) => [{ topic, partitions: [partition] }];
  // kafkajs sends a heartbeat when the wall clock says so: after that was set back by an hour it sends none for an hour, and the group goes
  // on without this consumer, which does not notice. A new one begins by the new time.
  let unwatchClock = () => {};
  const polls = new PollThrottle(consumer);
  const firstPoll = new FirstPoll(consumer, (partition) => {
    unlessBetweenRuns(() => consumer.resume(at(partition)));
    polls.wake();
  });

  async function start(handlers: SourceHandlers): Promise<void> {
    crashed = (error) => handlers.crashed(error);
    await Promise.all([admin.connect(), logs.connect()]);
    await consumer.connect();
    // Before the handlers hear of the new assignment, which commits anew.
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      assigned = payload.memberAssignment[topic] ?? [];
      commits.dropWaiting();
    });
    listen(consumer, handlers, topic, polls);
    unwatchClock = watchClock(
      (byMs) => handlers.crashed(new Error(`the clock was set back by ${Math.round(byMs / 1_000)} s`)),
      { leastMs: times.clockStepMs },
    );
    await run(consumer, handlers, topic, polls);
  }

  return {
    start: (handlers) =>
      withTimeout(times.joinMs, start(handlers), `the consumer does not start within ${times.joinMs / 1_000} s`),
    async stop() {
      unwatchClock();
      crashed = () => {};
      polls.wake();
      try {
        await consumer.disconnect();
      } finally {
        await Promise.all([admin.disconnect(), logs.close()]);
      }
    },
    pause: (partition) => {
      firstPoll.forget(partition);
      unlessBetweenRuns(() => consumer.pause(at(partition)));
    },
    resume: (partition) => firstPoll.resume(partition),
    seek: (partition, offset) => unlessBetweenRuns(() => consumer.seek({ topic, partition, offset: String(offset) })),
    poll: () => polls.poll(),
    commit: (each) => commits.commit(each),
    ...groupOffsets({ consumer, admin, groupId, topic }),
    ...logOffsets({ logs, admin, topic }),
  };
}

function consumerConfig(groupId: string, sessionTimeoutMs: number): ConsumerConfig {
  return {
    groupId,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: sessionTimeoutMs,
    heartbeatInterval: sessionTimes(sessionTimeoutMs).heartbeatMs,
    // A poll returns as soon as there is a record. Not longer, because kafkajs polls the partitions of a broker together, and one that is resumed
    // (it has records, and the others have none) waits for the poll that is under way.
    maxWaitTimeInMs: 250,
    maxBytesPerPartition: 1024 * 1024,
    metadataMaxAge: newPartitionsMs,
    allowAutoTopicCreation: false,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 8 },
  };
}

async function run(consumer: Consumer, handlers: SourceHandlers, topic: string, polls: PollThrottle): Promise<void> {
  // `fromBeginning` decides where kafkajs goes on after "offset out of range"; with false it would skip to the end.
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: 64,
    eachBatch: (payload) => onFetch(payload, handlers, polls),
  });
}

/** While kafkajs restarts a consumer there is nothing to steer, and it throws; the assignment after that begins anew. */
function unlessBetweenRuns(steer: () => void): void {
  try {
    steer();
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('Consumer group was not initialized'))) throw error;
  }
}

function listen(consumer: Consumer, handlers: SourceHandlers, topic: string, polls: PollThrottle): void {
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => handlers.assigned(payload.memberAssignment[topic] ?? []));
  consumer.on(consumer.events.START_BATCH_PROCESS, ({ payload }) => {
    if (payload.batchSize > 0) return;
    onFilteredFetch(payload, handlers);
    if (handlers.wantsMore()) polls.wake();
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) handlers.crashed(payload.error);
  });
}

/**
 * A poll whose records were all invisible (an aborted transaction, control records) never reaches `eachBatch`, and kafkajs goes on
 * behind it. The event does not say which offset was asked for: where it begins is the first offset that the poll held.
 */
function onFilteredFetch(
  { partition, firstOffset, lastOffset, highWatermark }: BatchProcessPayload,
  handlers: SourceHandlers,
): void {
  handlers.fetched({
    partition,
    // Without a first offset all that came lies below the offset that was asked for, and kafkajs names that one as the last.
    fetchedOffset: Number((firstOffset as string | null) ?? lastOffset),
    endOffset: Number(lastOffset) + 1,
    logEnd: Number(highWatermark),
    records: [],
  });
}

/** What kafkajs says when it begins to handle a poll of one partition. */
type BatchProcessPayload = ConsumerStartBatchProcessEvent['payload'];

/** Hands the fetch on; what was not taken will be polled again. kafkajs polls again when this resolves. */
async function onFetch(
  { batch, resolveOffset }: EachBatchPayload,
  handlers: SourceHandlers,
  polls: PollThrottle,
): Promise<void> {
  const fetchedOffset = fetchedOffsetOf(batch);
  const { records, unreadable } = toRecords(batch.messages);
  const taken = handlers.fetched({
    partition: batch.partition,
    fetchedOffset,
    // Where the unreadable begins is not under a checksum: only what was read moves the lane on.
    endOffset: unreadable ? (records.at(-1)?.offset ?? fetchedOffset - 1) + 1 : Number(batch.lastOffset()) + 1,
    logEnd: Number(batch.highWatermark),
    records,
    unreadable,
  });
  // Resolving the last visible record also resolves control records behind it.
  const lastVisible = records.at(-1);
  if (taken && lastVisible) resolveOffset(String(lastVisible.offset));
  // The partitions of a broker are polled together: one that wants more ends the rest of all.
  if (handlers.wantsMore()) polls.wake();
  else await polls.rest();
}
