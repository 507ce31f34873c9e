import { KafkaJSProtocolError, type Admin } from 'kafkajs';
import { expect, test } from 'vitest';
import { ensureTopics } from '../../kafka/topics.ts';
import { paymentsPipeline } from '../live/payments.ts';

const refusal = (type: string) =>
  new (KafkaJSProtocolError as new (error: Error) => Error)(
    Object.assign(new Error('This server does not host this topic-partition'), { type }),
  );

/** A broker that has not heard of new topics when it is asked for their leaders. */
function lateBroker(type: string) {
  const lists: string[][] = [];
  let made: string[] = [];
  const admin = {
    connect: () => Promise.resolve(),
    disconnect: () => Promise.resolve(),
    listTopics: () => Promise.resolve(lists.shift() ?? made),
    createTopics: ({ topics }: Parameters<Admin['createTopics']>[0]) => {
      made = topics.map(({ topic }) => topic);
      lists.push([], made.slice(1));
      return Promise.reject(refusal(type));
    },
  };
  return { kafka: { admin: () => admin as unknown as Admin }, lists };
}

test('topics that are made, and that a broker has not heard of yet, are waited for', async () => {
  const { kafka, lists } = lateBroker('UNKNOWN_TOPIC_OR_PARTITION');
  expect(await ensureTopics(kafka, [paymentsPipeline({ name: 'p', topic: 't' })], {})).toEqual([
    't',
    'p.decisions',
    'p.labels',
    'p.dead-letters',
  ]);
  expect(lists).toEqual([]);
});

test('whatever else goes wrong is told', async () => {
  await expect(
    ensureTopics(lateBroker('POLICY_VIOLATION').kafka, [paymentsPipeline({ name: 'p', topic: 't' })], {}),
  ).rejects.toThrow(/^Kafka does not create the topics t, p\.decisions/);
});

test('a broker of ours never deletes an event by its age, and other records within bounds', async () => {
  const created: Parameters<Admin['createTopics']>[0][] = [];
  const admin = {
    connect: () => Promise.resolve(),
    disconnect: () => Promise.resolve(),
    listTopics: () => Promise.resolve([]),
    createTopics: (options: (typeof created)[number]) => {
      created.push(options);
      return Promise.resolve(true);
    },
  };
  const kafka = { admin: () => admin as unknown as Admin };
  const pipelines = [paymentsPipeline({ name: 'p', topic: 't' })];
  await ensureTopics(kafka, pipelines, { isEmbedded: true });
  await ensureTopics(kafka, pipelines, {});
  const settings = created.map(({ topics }) =>
    topics.map(({ topic, configEntries }) => [
      topic,
      Object.fromEntries(configEntries!.map(({ name, value }) => [name, value])),
    ]),
  );
  const aWeek = { 'retention.ms': '604800000', 'retention.bytes': '67108864' };
  expect(settings.map(Object.fromEntries)).toEqual([
    { t: { 'retention.ms': '-1' }, 'p.decisions': {}, 'p.labels': aWeek, 'p.dead-letters': aWeek },
    { t: {}, 'p.decisions': {}, 'p.labels': {}, 'p.dead-letters': {} },
  ]);
});
