import type { KafkaMessage } from 'kafkajs';
import { describe, expect, test } from 'vitest';
import { encodeHeaders, headersIn, textHeader } from '../../contracts/record-headers.ts';
import { encodeRecords } from '../../contracts/records-frame.ts';
import { FetchedRecord } from '../../kafka/record-batches.ts';
import { contentBytes, recordBytesMax, stubOf, toRecord, toRecords } from '../../kafka/record.ts';

const batch = {
  deployment: 'd',
  pipeline: 'p',
  epoch: 0,
  topic: 't',
  layout: 0,
  chain: 0,
  sequence: 0,
  ranges: [{ partition: 0, position: 0, end: 1, count: 1 }],
};

interface Parts {
  offset?: string;
  timestamp?: string;
  key?: Buffer;
  value?: Buffer;
  headers?: Uint8Array;
  timeIsBrokers?: boolean;
}

function messageOf({ offset = '0', timestamp = '1', key, value, headers, timeIsBrokers = false }: Parts): KafkaMessage {
  const context = { producerId: '-1', inTransaction: false, timeIsBrokers };
  return new FetchedRecord(
    offset,
    timestamp,
    key ?? null,
    value ?? null,
    headers && Buffer.from(headers),
    context,
    false,
  ) as unknown as KafkaMessage;
}

describe('toRecord', () => {
  test('counts what the record takes in the frame', () => {
    const record = toRecord(
      messageOf({
        key: Buffer.from('key'),
        value: Buffer.from('value'),
        headers: encodeHeaders([[Buffer.from('trace'), Buffer.from([0, 0xff, 34])]]),
      }),
    );
    expect(contentBytes(record)).toBe(3 + 5 + record.headers!.length);
    // One column more, and columns are padded to eight bytes each.
    const bytes = (each: typeof record) => encodeRecords(batch, [each], 1).length;
    expect(
      Math.abs(
        bytes(record) - bytes({ ...record, key: null, value: null, headers: Buffer.alloc(0) }) - contentBytes(record),
      ),
    ).toBeLessThanOrEqual(24);
  });

  test('leaves a record whole up to the limit', () => {
    const record = toRecord(messageOf({ value: Buffer.alloc(recordBytesMax) }));
    expect(record.stub).toBeUndefined();
    expect(record.value).toHaveLength(recordBytesMax);
  });

  test.each<[string, Parts]>([
    [
      'value',
      { key: Buffer.from('k'), value: Buffer.alloc(recordBytesMax), headers: encodeHeaders([textHeader('a', 'b')]) },
    ],
    ['key', { key: Buffer.alloc(recordBytesMax + 1), value: Buffer.from('v') }],
    [
      'headers',
      {
        key: Buffer.from('k'),
        value: Buffer.from('v'),
        headers: encodeHeaders([textHeader('large', 'x'.repeat(recordBytesMax))]),
      },
    ],
    [
      'many headers',
      { value: Buffer.from('v'), headers: encodeHeaders(Array.from({ length: 800_000 }, () => textHeader('', null))) },
    ],
    [
      'all together',
      {
        key: Buffer.alloc(600_000),
        value: Buffer.alloc(600_000),
        headers: encodeHeaders([textHeader('large', 'x'.repeat(600_000))]),
      },
    ],
  ])('a record too large by its %s becomes a stub that travels, and says how large it was', (_, parts) => {
    const record = toRecord(messageOf(parts));
    expect(record.stub!.recordBytes).toBeGreaterThan(recordBytesMax);
    expect(encodeRecords(batch, [record], 1).length).toBeLessThan(256 * 1024);
  });

  test('a stub keeps the headers that have room, in their order, and counts the others', () => {
    const headers = encodeHeaders([
      textHeader('a', '1'),
      textHeader('large', 'x'.repeat(recordBytesMax)),
      textHeader('b', null),
      textHeader('full', 'x'.repeat(64 * 1024 - 12)),
      textHeader('no room', ''),
    ]);
    const { headers: kept, stub } = toRecord(messageOf({ headers }));
    expect([...headersIn(kept)].map(([name]) => String(Buffer.from(name)))).toEqual(['a', 'b', 'no room']);
    expect(stub).toEqual({ recordBytes: headers.length, headersLeftOut: 2 });
  });

  test('a stub of a stub still names the first size', () => {
    const stub = stubOf(
      toRecord(messageOf({ value: Buffer.alloc(200_000), timestamp: '1767225600000000001', timeIsBrokers: true })),
    );
    expect(stub).toMatchObject({
      stub: { recordBytes: 200_000 },
      timestampDigits: '1767225600000000001',
      timeIsBrokers: true,
    });
    expect(stubOf(stub)).toBe(stub);
  });

  test('keeps the digits of a time that a number does not', () => {
    expect(toRecord(messageOf({ timestamp: '1767225600000' }))).not.toHaveProperty('timestampDigits');
    expect(toRecord(messageOf({ timestamp: '-9223372036854775808' })).timestampDigits).toBe('-9223372036854775808');
  });

  test('a record that fails on its way does not take those before it along', () => {
    const failing = Object.defineProperty(messageOf({ offset: '8' }), 'key', {
      get: () => {
        throw new TypeError('a bug');
      },
    });
    expect(toRecords([messageOf({ offset: '7' }), failing, messageOf({ offset: '9' })])).toEqual({
      records: [expect.objectContaining({ offset: 7 })],
      unreadable: { from: 8, reason: expect.stringMatching(/^a record that Headrace fails on \(TypeError at /) },
    });
  });
});
