import type { Kafka } from 'kafkajs';
import { kafkajsModule } from './kafkajs-internals.ts';

/** The parts of kafkajs's inside that are needed to ask brokers what its admin client does not ask. */
export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number }[];
  findBroker(of: { nodeId: number }): Promise<Broker>;
  brokerPool: { createBroker(options: object): Broker };
}

export interface Broker {
  metadata(topics?: string[]): Promise<unknown>;
  /** The newest version of a request that both sides know. */
  lookupRequest(apiKey: number, request: object): (fields: object) => Protocol;
  connectionPool: { send(protocol: Protocol): Promise<unknown> };
}

/** A request, and how its answer is read. */
export interface Protocol {
  request: object;
  response: { decode(raw: unknown): Promise<unknown>; parse(decoded: unknown): Promise<unknown> };
}

interface Metadata {
  topicMetadata: { topicErrorCode: number }[];
}

const { requests } = kafkajsModule<{ requests: Record<string, object> }>('protocol/requests');
const apiKeys = kafkajsModule<Record<string, number>>('protocol/requests/apiKeys');
const { createErrorFromCode } = kafkajsModule<{ createErrorFromCode(code: number): Error }>('protocol/error');

/** Topics' metadata are read so often at most, which is how late a new leader is known. */
const metadataMaxAgeMs = 2_000;

/**
 * A connection to the brokers that knows the partitions of a topic also while some have no leader: kafkajs itself then knows none of
 * them.
 */
export function createCluster(kafka: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  if (!symbol) throw new Error('this is not the kafkajs that was tested: its client makes no clusters');
  const create = (kafka as unknown as Record<symbol, (options: object) => Cluster>)[symbol]!;
  const cluster = create({ metadataMaxAge: metadataMaxAgeMs, allowAutoTopicCreation: false });
  const { createBroker } = cluster.brokerPool;
  cluster.brokerPool.createBroker = (options) => {
    const broker = createBroker(options);
    broker.metadata = (topics = []) =>
      send(broker, 'Metadata', { topics, allowAutoTopicCreation: false }, refuseOnlyTopics);
    return broker;
  };
  return cluster;
}

/** Sends a request of kafkajs's; what came is read by `parse`, and not as kafkajs does, which throws when one partition of many has an error. */
export function send<T>(broker: Broker, name: string, fields: object, parse: (decoded: unknown) => T): Promise<T> {
  const { request, response } = broker.lookupRequest(apiKeys[name]!, requests[name]!)(fields);
  return sendAs(broker, request, { decode: response.decode, parse: async (decoded) => parse(decoded) });
}

export function sendAs<T>(
  broker: Broker,
  request: object,
  response: { decode(raw: unknown): Promise<unknown>; parse(decoded: unknown): Promise<T> },
): Promise<T> {
  return broker.connectionPool.send({ request, response }) as Promise<T>;
}

/** What a broker says by a number. */
export function errorOf(code: number): Error {
  return createErrorFromCode(code);
}

/** A partition without a leader is told as one, and hides no other. */
export function refuseOnlyTopics(decoded: unknown): Metadata {
  const metadata = decoded as Metadata;
  const refused = metadata.topicMetadata.find(({ topicErrorCode }) => topicErrorCode !== 0);
  if (refused) throw errorOf(refused.topicErrorCode);
  return metadata;
}
