import type { Admin, Kafka, KafkaMessage, Message } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeHeaders, textHeader } from '../../contracts/record-headers.ts';
import { createPublisher, type Publisher } from '../../kafka/producer.ts';
import { createDeadLetters, type DeadLetterInput } from '../../sinks/dead-letters.ts';
import { createDecisionsTopicSink } from '../../sinks/decisions-topic.ts';
import { decisionRow, deliveryOf } from '../sinks/rows.ts';
import { connectKafka, readAll } from './kafka-rig.ts';
import { uniqueName } from '../stack/live.ts';

let kafka: Kafka;
let admin: Admin;
let publisher: Publisher;
beforeAll(async () => {
  kafka = await connectKafka();
  admin = kafka.admin();
  await admin.connect();
  publisher = await createPublisher(kafka);
}, 120_000);
afterAll(async () => {
  await publisher?.close();
  await admin?.disconnect();
});

/** A topic with the limit that brokers have by default; the embedded one has a larger one. */
async function createTopic(topic = uniqueName('published'), messageBytesMax = 1_048_588): Promise<string> {
  await admin.createTopics({
    topics: [
      { topic, numPartitions: 1, configEntries: [{ name: 'max.message.bytes', value: String(messageBytesMax) }] },
    ],
    waitForLeaders: true,
  });
  return topic;
}

const read = async (topic: string): Promise<KafkaMessage[]> => readAll(kafka, admin, topic);
const numbered = (count: number, bytes: number): Message[] =>
  Array.from({ length: count }, (_, i) => ({ key: 'one', value: String(i).padEnd(bytes, '.') }));
const numbersOf = (messages: readonly KafkaMessage[]) => messages.map(({ value }) => parseInt(value!.toString(), 10));
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('publisher', () => {
  test('a publication larger than a topic takes at once goes in parts, in order', async () => {
    const topic = await createTopic();
    await publisher.publish(topic, numbered(3_000, 1_000));
    expect(numbersOf(await read(topic))).toEqual(upTo(3_000));
  }, 30_000);

  test('counts headers and characters of several bytes', async () => {
    const topic = await createTopic();
    const headers = { reason: 'x'.repeat(500) };
    await publisher.publish(
      topic,
      Array.from({ length: 2_500 }, (_, i) => ({ key: 'ü'.repeat(40), value: `${i}`, headers })),
    );
    await publisher.publish(
      topic,
      Array.from({ length: 1_000 }, (_, i) => ({ key: null, value: `${2_500 + i} ${'€'.repeat(500)}` })),
    );
    expect(numbersOf(await read(topic))).toEqual(upTo(3_500));
  }, 30_000);

  test('publications that are under way together keep their order', async () => {
    const topic = await createTopic();
    const messages = numbered(2_400, 1_000);
    await Promise.all(upTo(8).map((i) => publisher.publish(topic, messages.slice(i * 300, (i + 1) * 300))));
    expect(numbersOf(await read(topic))).toEqual(upTo(2_400));
  }, 30_000);

  test('a message that the broker refuses fails its publication, and no other', async () => {
    const topic = await createTopic();
    const neighbour = publisher.publish(topic, numbered(1, 10));
    const refused = publisher.publish(topic, [...numbered(1, 2_000_000), { key: 'one', value: 'after' }]);
    const next = publisher.publish(topic, [{ key: 'one', value: '1' }]);
    await expect(refused).rejects.toThrow('larger than the max message size');
    await Promise.all([neighbour, next]);
    expect(numbersOf(await read(topic))).toEqual([0, 1]);
  }, 30_000);

  test('a topic that takes less than a send has gets it in smaller ones', async () => {
    const topic = await createTopic(undefined, 20_000);
    const [all, refused] = await Promise.allSettled([
      publisher.publish(topic, numbered(400, 1_000)),
      publisher.publish(topic, [...numbered(2, 10), ...numbered(1, 30_000)]),
    ]);
    expect([all.status, refused.status]).toEqual(['fulfilled', 'rejected']);
    expect(numbersOf(await read(topic))).toEqual([...upTo(400), 0, 1]);
  }, 30_000);

  test('the decisions sink suspects rows for a size, and blames the topic for what it lacks', async () => {
    const pipeline = uniqueName('orders');
    await createTopic(`${pipeline}.decisions`, 2_000);
    const deliver = (name: string, why: string) =>
      createDecisionsTopicSink(publisher).deliver(
        deliveryOf([decisionRow(1), decisionRow(2, { why })], { name }),
        new AbortController().signal,
      );
    await deliver(pipeline, 'short');
    await expect(deliver(pipeline, 'secret'.repeat(1_000))).rejects.toMatchObject({
      code: 'SINK_REFUSED_ROW',
      message: expect.stringMatching(/^(?!.*secret).*MESSAGE_TOO_LARGE/),
    });
    await expect(deliver(uniqueName('absent'), 'short')).rejects.toMatchObject({
      code: 'SINK_UNAVAILABLE',
      message: expect.stringContaining('UNKNOWN_TOPIC_OR_PARTITION'),
    });
  }, 30_000);

  test('an aborted publication ends at once, and what waited is not sent', async () => {
    const topic = await createTopic();
    const aborting = new AbortController();
    const first = publisher.publish(topic, [{ value: '0' }]);
    const waiting = publisher.publish(topic, [{ value: '7' }], aborting.signal);
    aborting.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(publisher.publish(topic, [{ value: '8' }], aborting.signal)).rejects.toThrow('enough');
    await first;
    await publisher.publish(topic, [{ value: '9' }], new AbortController().signal);
    expect(numbersOf(await read(topic))).toEqual([0, 9]);
  }, 30_000);

  test('the decisions sink stops waiting when its delivery is aborted', async () => {
    const topic = await createTopic(`${uniqueName('orders')}.decisions`);
    const aborting = new AbortController();
    const delivery = createDecisionsTopicSink(publisher).deliver(
      deliveryOf([decisionRow(1)], { name: topic.replace('.decisions', '') }),
      aborting.signal,
    );
    aborting.abort(new Error('too long'));
    await expect(delivery).rejects.toThrow(/SINK_UNAVAILABLE: .*too long/);
  }, 30_000);
});

describe('dead letters at the limit that topics have by default', () => {
  const letter = (
    pipeline: string,
    offset: number,
    parts: Partial<DeadLetterInput['record']> = {},
  ): DeadLetterInput => ({
    batch: { deployment: 'local', pipeline, epoch: 0, topic: 'orders' },
    record: {
      partition: 3,
      offset,
      timestampMs: 1_760_000_000_000,
      key: Buffer.from('one'),
      value: Buffer.alloc(120, 'v'),
      ...parts,
    },
    rejection: { step: 'decode', code: 'SCHEMA_MISMATCH', reason: 'r'.repeat(300) },
    workflowId: `batch:local:${pipeline}:0:orders:0.0:0`,
  });
  const deadLetters = async (letters: (pipeline: string) => DeadLetterInput[], messageBytesMax?: number) => {
    const pipeline = uniqueName('orders');
    const topic = await createTopic(`${pipeline}.dead-letters`, messageBytesMax);
    await createDeadLetters(publisher).publish(letters(pipeline));
    return (await read(topic)).map(({ key, value, headers }) => ({
      key,
      value,
      headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, text]) => [name, String(text)])),
    }));
  };

  test('a whole batch of them is taken', async () => {
    const found = await deadLetters((pipeline) => upTo(2_048).map((i) => letter(pipeline, i)));
    expect(found.map(({ headers }) => Number(headers['headrace-offset']))).toEqual(upTo(2_048));
    expect(found.every(({ value }) => value!.length === 120)).toBe(true);
  }, 30_000);

  test('the largest records that can travel are taken: what does not fit is cut, and the letter says so', async () => {
    const large = Buffer.alloc(1_500_000, 'w');
    const headers = encodeHeaders(upTo(2_000).map((i) => textHeader(`h${i}`, 'x'.repeat(500))));
    const found = await deadLetters((pipeline) => [
      letter(pipeline, 0, { value: large }),
      letter(pipeline, 1, { value: Buffer.alloc(700_000, 'w') }),
      letter(pipeline, 2, { key: large, value: Buffer.alloc(700_000, 'w'), headers }),
      letter(pipeline, 3, { value: large.subarray(0, 65_536), stub: { recordBytes: 3_000_000, headersLeftOut: 7 } }),
    ]);
    expect(
      found.map(
        ({
          key,
          value,
          headers: {
            'headrace-value-bytes': valueBytes,
            'headrace-key-bytes': keyBytes,
            'headrace-record-bytes': recordBytes,
          },
        }) => [key!.length, value!.length, valueBytes, keyBytes, recordBytes],
      ),
    ).toEqual([
      [3, 65_536, '1500000', undefined, undefined],
      [3, 700_000, undefined, undefined, undefined],
      [65_536, 700_000, undefined, '1500000', undefined],
      [3, 65_536, undefined, undefined, '3000000'],
    ]);
    expect(found[3]!.headers['headrace-headers-left-out']).toBe('7');
    const { 'headrace-headers-left-out': leftOut, ...kept } = found[2]!.headers;
    expect(Number(leftOut)).toBeGreaterThan(0);
    expect(Object.keys(kept).filter((name) => /^h\d/.test(name))).toHaveLength(2_000 - Number(leftOut));
  }, 30_000);

  test('carry the headers of their records; ours win', async () => {
    const headers = encodeHeaders([
      textHeader('trace', 'abc'),
      textHeader('headrace-code', 'FORGED'),
      textHeader('headrace-value-bytes', '7'),
      textHeader('__proto__', 'p'),
    ]);
    const [found] = await deadLetters((pipeline) => [letter(pipeline, 0, { headers })]);
    expect(found!.headers).toMatchObject({
      trace: 'abc',
      'headrace-code': 'SCHEMA_MISMATCH',
      'headrace-topic': 'orders',
    });
    expect(found!.headers).not.toHaveProperty('headrace-value-bytes');
  }, 30_000);

  test('are cut as short as their topic wants them, each for itself, and tell how long the record was', async () => {
    const large = { value: Buffer.alloc(50_000, 'v'), key: Buffer.alloc(3_000, 'k') };
    const read = await deadLetters(
      (pipeline) => [letter(pipeline, 0), letter(pipeline, 1, large), letter(pipeline, 2)],
      3_000,
    );
    // A letter may come again, as whatever is published may.
    const seen = new Map(
      read.map(({ headers, key, value }) => [
        headers['headrace-offset'],
        [key!.length, value!.length, headers['headrace-key-bytes'], headers['headrace-value-bytes']],
      ]),
    );
    expect(Object.fromEntries(seen)).toEqual({
      0: [3, 120, undefined, undefined],
      1: [256, 1_024, '3000', '50000'],
      2: [3, 120, undefined, undefined],
    });
  }, 30_000);

  test('that the topic refuses even without their record speak against the topic', async () => {
    await expect(deadLetters((pipeline) => [letter(pipeline, 0)], 200)).rejects.toMatchObject({
      code: 'SINK_WRONG',
      message: expect.stringContaining('MESSAGE_TOO_LARGE'),
    });
  }, 30_000);
});
