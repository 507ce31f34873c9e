import { createRequire } from 'node:module';
import fc from 'fast-check';
import type { Message } from 'kafkajs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { murmur2 } from '../../kafka/murmur2.ts';
import { EncodedMessages, keyPartitioner } from '../../kafka/produce.ts';
import { EncodedRecords, type KeyedMessage } from '../../kafka/encode-records.ts';

/** kafkajs's own functions say what is right. */
const require = createRequire(import.meta.url);
const kafkajsMurmur2 = require('kafkajs/src/producer/partitioners/default/murmur2') as (key: Buffer) => number;
const kafkajsDefault = require('kafkajs/src/producer/partitioners/default') as () => (input: object) => number;
const kafkajsGroup = require('kafkajs/src/producer/groupMessagesPerPartition') as (
  input: object,
) => Record<string, Message[]>;
const kafkajsProduce = require('kafkajs/src/protocol/requests/produce/v3/request') as (request: object) => {
  encode(): Promise<{ buffer: Buffer }>;
};

afterEach(() => void vi.useRealTimers());

const bytes = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ minLength: 100, maxLength: 20_000 }),
  fc.uint8Array().map((each) => Buffer.from(each)),
  fc.constant(null),
);
const header = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.uint8Array().map((each) => Buffer.from(each)),
);
const message: fc.Arbitrary<Message> = fc.record({
  // In turn is another order for each partitioner, so all have a key here.
  key: fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.uint8Array().map((each) => Buffer.from(each)),
  ),
  value: bytes,
  headers: fc.option(
    fc.dictionary(fc.string({ unit: 'binary' }), fc.oneof(header, fc.array(header, { maxLength: 3 }))),
    { nil: undefined },
  ),
});

describe('encoded messages', () => {
  test('become the same request, byte for byte, as messages that kafkajs encodes itself', async () => {
    vi.setSystemTime(1_760_000_000_000);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(message, { maxLength: 8 }), { maxLength: 4 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 50, max: 5_000 }),
        async (lists, count, bytesMax) => {
          const ranges = lists.flatMap((list) => new EncodedRecords(list).cut(bytesMax));
          const ours = kafkajsGroup({
            topic: 't',
            partitionMetadata: partitions(count),
            messages: new EncodedMessages(ranges),
            partitioner: keyPartitioner(),
          });
          const theirs = kafkajsGroup({
            topic: 't',
            partitionMetadata: partitions(count),
            messages: lists.flat(),
            partitioner: keyPartitioner(),
          });
          expect(Object.keys(ours)).toEqual(Object.keys(theirs));
          expect((await requestOf(ours)).equals(await requestOf(theirs))).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('also without keys, and when they are grouped again because the topic has grown', async () => {
    vi.setSystemTime(1_760_000_000_000);
    const keyless = message.map(({ value, headers }) => ({ value, headers }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            message,
            keyless,
            keyless.map((each) => ({ key: null, ...each })),
          ),
        ),
        fc.array(message),
        async (mixed, keyed) => {
          const group = (messages: Message[], count: number) =>
            kafkajsGroup({ topic: 't', partitionMetadata: partitions(count), messages, partitioner: keyPartitioner() });
          const same = async (ours: Record<string, Message[]>, theirs: Record<string, Message[]>) =>
            expect((await requestOf(ours)).equals(await requestOf(theirs))).toBe(true);
          await same(group(new EncodedMessages(new EncodedRecords(mixed).cut(Infinity)), 1), group(mixed, 1));
          const again = new EncodedMessages(new EncodedRecords(keyed).cut(Infinity));
          for (const count of [2, 5]) await same(group(again, count), group(keyed, count));
        },
      ),
    );
  });

  test('are not looked through, because there would seem to be none', () => {
    const messages = new EncodedMessages(new EncodedRecords([{ key: 'k', value: 'v' }]).cut(Infinity));
    expect(() => [...messages]).toThrow('in another way');
    expect(() =>
      kafkajsGroup({ topic: 't', partitionMetadata: partitions(1), messages, partitioner: kafkajsDefault() }),
    ).toThrow('in another way');
    expect(() => messages.assertAnswered([{ partition: 0 }])).toThrow('have not answered for the messages');
  });

  test('take more than one length of a place, and lengths of every size', async () => {
    vi.setSystemTime(1_760_000_000_000);
    const messages = Array.from({ length: 9_000 }, (_, i) => ({
      key: 'one',
      value: 'v'.repeat(i === 8_999 ? 2_100_000 : i % 200),
    }));
    const group = (list: Message[]) =>
      requestOf(
        kafkajsGroup({ topic: 't', partitionMetadata: partitions(1), messages: list, partitioner: keyPartitioner() }),
      );
    expect(
      (await group(new EncodedMessages(new EncodedRecords(messages).cut(Infinity)))).equals(await group(messages)),
    ).toBe(true);
  });

  test('without a key they go to all partitions in turn', () => {
    const ranges = new EncodedRecords(Array.from({ length: 6 }, () => ({ value: 'v' }))).cut(Infinity);
    const groups = kafkajsGroup({
      topic: 't',
      partitionMetadata: partitions(3),
      messages: new EncodedMessages(ranges),
      partitioner: keyPartitioner(),
    });
    expect(Object.keys(groups)).toEqual(['0', '1', '2']);
    for (const group of Object.values(groups)) expect(recordsOf(group)).toHaveLength(2);
  });

  test('are refused when kafkajs asks something new of them', () => {
    const ranges = new EncodedRecords([{ key: 'k', value: 'v' }]).cut(Infinity);
    const [group] = Object.values(
      kafkajsGroup({
        topic: 't',
        partitionMetadata: partitions(1),
        messages: new EncodedMessages(ranges),
        partitioner: keyPartitioner(),
      }),
    );
    expect(() => group!.map(() => 'something else')).toThrow('in another way');
  });
});

describe('encoded records', () => {
  const cut = (messages: KeyedMessage[], bytesMax: number) => new EncodedRecords(messages).cut(bytesMax);

  test('are cut in order, each range within the limit or a single message, and never counted for less than Kafka stores', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { maxLength: 20 }),
        fc.integer({ min: 20, max: 2_000 }),
        async (messages, bytesMax) => {
          const ranges = cut(messages, bytesMax);
          expect(ranges.map(({ from }) => from)).toEqual([0, ...ranges.map(({ to }) => to)].slice(0, ranges.length));
          expect(ranges.at(-1)?.to ?? 0).toBe(messages.length);
          for (const range of ranges) {
            expect(range.bytes <= bytesMax || range.to - range.from === 1).toBe(true);
            const [group] = Object.values(
              kafkajsGroup({
                topic: 't',
                partitionMetadata: partitions(1),
                messages: new EncodedMessages([range]),
                partitioner: keyPartitioner(),
              }),
            );
            expect((recordsOf(group!)[0] as unknown as { buffer: Buffer }).buffer.length).toBeLessThanOrEqual(
              range.bytes,
            );
          }
        },
      ),
    );
  });

  test('know nothing of a limit that does not matter', () => {
    expect(cut([], 10)).toEqual([]);
    expect(cut([{ value: 'a' }, { value: 'b' }], Infinity)).toMatchObject([{ from: 0, to: 2 }]);
  });
});

describe('partitioner', () => {
  test('hashes as kafkajs does, and so as the Java client does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (key) => {
        expect(murmur2(key)).toBe(kafkajsMurmur2(Buffer.from(key)));
      }),
      { numRuns: 1_000 },
    );
  });

  test('chooses what kafkajs chooses: the partition of the message, else by key', () => {
    const [ours, theirs] = [keyPartitioner(), kafkajsDefault()];
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.string({ unit: 'binary' }),
        fc.option(fc.nat({ max: 49 }), { nil: undefined }),
        (count, key, partition) => {
          const input = { topic: 't', partitionMetadata: partitions(count), message: { key, value: '', partition } };
          expect(ours(input as never)).toBe(theirs(input));
        },
      ),
    );
  });

  test('spreads messages without a key over all partitions in turn', () => {
    const choose = keyPartitioner();
    const chosen = Array.from({ length: 6 }, () =>
      choose({ topic: 't', partitionMetadata: partitions(3), message: { value: '' } } as never),
    );
    expect(chosen.toSorted((a, b) => a - b)).toEqual([0, 0, 1, 1, 2, 2]);
  });
});

function partitions(count: number): object[] {
  return Array.from({ length: count }, (_, partitionId) => ({ partitionId, leader: 1 }));
}

/** What kafkajs makes of a request with groups of messages. */
async function requestOf(groups: Record<string, Message[]>): Promise<Buffer> {
  const topicData = [
    {
      topic: 't',
      partitions: Object.entries(groups).map(([partition, messages]) => ({ partition: Number(partition), messages })),
    },
  ];
  return (await kafkajsProduce({ acks: -1, timeout: 1_000, topicData }).encode()).buffer;
}

/** As kafkajs has them encoded. */
function recordsOf(messages: Message[]): Message[] {
  return messages.map(() => ({ buf: Buffer.alloc(0) }) as never);
}
