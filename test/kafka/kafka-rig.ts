import { Kafka, logLevel, Partitioners, type Admin, type KafkaMessage, type Producer } from 'kafkajs';
import { startLiveServers, uniqueName } from '../stack/live.ts';
import { until } from '../live/wait.ts';

/** A client of the shared broker. */
export async function connectKafka(): Promise<Kafka> {
  const { kafka } = await startLiveServers({ kafka: true });
  return new Kafka({ clientId: 'test', brokers: kafka.brokers, logLevel: logLevel.NOTHING });
}

/** A producer that is connected; of transactions, when it is given an id for them. */
export async function connectProducer(kafka: Kafka, transactionalId?: string): Promise<Producer> {
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
    ...(transactionalId ? { transactionalId, maxInFlightRequests: 1, idempotent: true } : {}),
  });
  await producer.connect();
  return producer;
}

/** All messages of a topic with one partition, up to its present end. */
export async function readAll(kafka: Kafka, admin: Admin, topic: string): Promise<KafkaMessage[]> {
  const high = Number((await admin.fetchTopicOffsets(topic))[0]!.high);
  const messages: KafkaMessage[] = [];
  const consumer = kafka.consumer({ groupId: uniqueName('reader'), maxWaitTimeInMs: 50 });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        messages.push(message);
        return Promise.resolve();
      },
    });
    await until(`topic ${topic} is read`, () => messages.length >= high);
  } finally {
    await consumer.disconnect();
  }
  return messages;
}
