import { createRequire } from 'node:module';
import fc from 'fast-check';
import type { Message } from 'kafkajs';
import { describe, expect, test } from 'vitest';
import { keyPartitioner, murmur2 } from '../../runtime/kafka-partitioner.ts';
import { createRecordEncoder, GroupedMessages, type RecordInput } from '../../runtime/kafka-produce.ts';

/** kafkajs's own functions say what is right. */
const require = createRequire(import.meta.url);
const kafkajsRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (record: RecordInput) => { buffer: Buffer };
const kafkajsMurmur2 = require('kafkajs/src/producer/partitioners/default/murmur2') as (key: Buffer) => number;
const kafkajsDefault = require('kafkajs/src/producer/partitioners/default') as () => (input: object) => number;
const kafkajsGroup = require('kafkajs/src/producer/groupMessagesPerPartition') as (input: object) => Record<string, Message[]>;

const bytes = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ minLength: 100, maxLength: 20_000 }), fc.uint8Array().map((each) => Buffer.from(each)), fc.constant(null));
const header = fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array().map((each) => Buffer.from(each)));
const record = fc.record({
  offsetDelta: fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 2 ** 31 - 1 })),
  timestampDelta: fc.oneof(fc.nat({ max: 200 }), fc.integer({ min: -5, max: 2 ** 40 })),
  key: fc.option(bytes, { nil: undefined }),
  value: bytes,
  headers: fc.option(fc.dictionary(fc.string({ unit: 'binary' }), fc.oneof(header, fc.array(header, { maxLength: 3 }))), { nil: undefined }),
}, { requiredKeys: ['value'] });

describe('record encoder', () => {
  test('gives the same bytes as kafkajs, for records of every kind', () => {
    const encode = createRecordEncoder(kafkajsRecord as never);
    fc.assert(
      fc.property(fc.array(record, { maxLength: 8 }), (records) => {
        // Encoded together first: none may lie over another.
        const ours = records.map((each) => encode(each));
        ours.forEach((encoded, i) => expect(encoded.buffer.equals(kafkajsRecord(records[i]!).buffer)).toBe(true));
      }),
      { numRuns: 500 },
    );
  });

  test('encodes ordinary records by itself', () => {
    const encode = createRecordEncoder(() => {
      throw new Error('kafkajs was asked');
    });
    expect(encode({ offsetDelta: 5, timestampDelta: 0, key: 'customer-1', value: '{}', headers: { a: 'b', c: Buffer.from('d') } }).buffer.length).toBeGreaterThan(10);
    expect(encode({ key: null, value: Buffer.alloc(1_000_000) }).buffer.length).toBeGreaterThan(1_000_000);
  });
});

describe('partitioner', () => {
  test('hashes as kafkajs does, and so as the Java client does', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (key) => {
      expect(murmur2(key)).toBe(kafkajsMurmur2(Buffer.from(key)));
    }), { numRuns: 1_000 });
  });

  test('chooses what kafkajs chooses: the partition of the message, else by key', () => {
    const [ours, theirs] = [keyPartitioner(), kafkajsDefault()];
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.string({ unit: 'binary' }), fc.option(fc.nat({ max: 49 }), { nil: undefined }), (count, key, partition) => {
        const input = { topic: 't', partitionMetadata: partitions(count), message: { key, value: '', partition } };
        expect(ours(input as never)).toBe(theirs(input));
      }),
    );
  });

  test('spreads messages without a key over all partitions in turn', () => {
    const choose = keyPartitioner();
    const chosen = Array.from({ length: 6 }, () => choose({ topic: 't', partitionMetadata: partitions(3), message: { value: '' } } as never));
    expect(chosen.toSorted((a, b) => a - b)).toEqual([0, 0, 1, 1, 2, 2]);
  });
});

describe('grouped messages', () => {
  test('are grouped as any other list, in order, and leave other uses of reduce alone', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.record({ key: fc.string(), value: fc.string() }))), fc.integer({ min: 1, max: 8 }), (lists, count) => {
        const joined = GroupedMessages.join(lists);
        const group = (messages: Message[]) => kafkajsGroup({ topic: 't', partitionMetadata: partitions(count), messages, partitioner: keyPartitioner() });
        expect(group(joined)).toEqual(group(lists.flat()));
        expect([...joined]).toEqual(lists.flat());
      }),
    );
    const joined = GroupedMessages.join([[{ value: 'a' }, { value: 'b' }]]);
    expect(joined.reduce((text: string, { value }: Message) => text + String(value), '')).toBe('ab');
    expect(joined.map(({ value }) => value)).toEqual(['a', 'b']);
  });
});

function partitions(count: number): object[] {
  return Array.from({ length: count }, (_, partitionId) => ({ partitionId, leader: 1 }));
}
