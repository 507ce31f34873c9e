import type { KafkaMessage } from 'kafkajs';
import { describe, expect, test } from 'vitest';
import { encodeRecords } from '../../contracts/records-frame.ts';
import { contentBytes, recordBytesMax, stubOf, toRecord } from '../../runtime/kafka-record.ts';

const batch = { deployment: 'd', pipeline: 'p', epoch: 0, topic: 't', partition: 0, position: 0, end: 1, count: 1 };
const frameBytes = (message: Partial<KafkaMessage>) => encodeRecords(batch, [toRecord(messageOf(message))], 1).length;

function messageOf(message: Partial<KafkaMessage>): KafkaMessage {
  return { offset: '0', timestamp: '1', key: null, value: null, attributes: 0, ...message } as KafkaMessage;
}

describe('toRecord', () => {
  test('counts what the record takes in the frame, headers as they are written there', () => {
    const record = toRecord(messageOf({ key: Buffer.from('key'), value: Buffer.from('value'), headers: { trace: Buffer.from([0, 0xff, 34]) } }));
    const bare = toRecord(messageOf({}));
    expect(contentBytes(record)).toBe(3 + 5 + Buffer.byteLength(JSON.stringify(record.headers)));
    // Columns are padded to eight bytes each.
    expect(Math.abs(encodeRecords(batch, [record], 1).length - encodeRecords(batch, [bare], 1).length - contentBytes(record))).toBeLessThanOrEqual(24);
  });

  test('leaves a record whole up to the limit', () => {
    const record = toRecord(messageOf({ value: Buffer.alloc(recordBytesMax) }));
    expect(record.stub).toBeUndefined();
    expect(record.value).toHaveLength(recordBytesMax);
  });

  test.each([
    ['value', { key: Buffer.from('k'), value: Buffer.alloc(recordBytesMax), headers: { a: 'b' } }],
    ['key', { key: Buffer.alloc(recordBytesMax + 1), value: Buffer.from('v') }],
    ['headers', { key: Buffer.from('k'), value: Buffer.from('v'), headers: { large: Buffer.alloc(recordBytesMax, 'x') } }],
    ['headers that grow as text', { value: Buffer.from('v'), headers: { binary: Buffer.alloc(recordBytesMax / 4) } }],
    ['all together', { key: Buffer.alloc(600_000), value: Buffer.alloc(600_000), headers: { large: Buffer.alloc(600_000, 'x') } }],
  ])('a record too large by its %s becomes a stub that travels, and says how large it was', (_, message) => {
    const record = toRecord(messageOf(message));
    expect(record.stub!.recordBytes).toBeGreaterThan(recordBytesMax);
    expect(frameBytes(message)).toBeLessThan(256 * 1024);
  });

  test('a stub of a stub still names the first size', () => {
    const stub = stubOf(toRecord(messageOf({ value: Buffer.alloc(200_000) })));
    expect(stub).toMatchObject({ stub: { recordBytes: 200_000 } });
    expect(stubOf(stub)).toBe(stub);
  });
});
