/**
 * The only room that imports kafkajs: connection, consumer, producer, topics, readers and codecs.
 * Each mend of kafkajs stands in a file of its own, named for what it mends; the version is pinned, and tests fail when its inside moves.
 * Others know the ports (`source.ts`) and plain data.
 */
export { createAdmin } from './admin.ts';
export { type Admin, connectKafka, type Kafka } from './connection.ts';
export { createKafkaSource } from './consumer.ts';
export { type OffsetToCommit, commitForGroup } from './group-commit.ts';
export { type LogEnds, type LogReader, createLogReader } from './log-reader.ts';
export { createPublisher } from './producer.ts';
export { installQuietQueue } from './quiet-queue.ts';
export { contentBytes, stubOf } from './record.ts';
export { isRefusedMessage, kafkaCodeOf } from './refusal.ts';
export { type Commit, type Fetch, type LogBounds, type Source, type PartitionCommit } from './source.ts';
export { type PipelineCount, countDeadLetters } from './topic-counts.ts';
export { readTopicRange, topicBounds } from './topic-range.ts';
export { ensureTopics } from './topics.ts';
export { TopicTrimmer } from './trim-topic.ts';
