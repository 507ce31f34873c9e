import { createRequire } from 'node:module';
import { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import lz4 from 'lz4-napi';
import snappy from 'snappy';
import { describe, expect, test } from 'vitest';
import { headersIn, textHeader, type RecordHeader } from '../../contracts/record-headers.ts';
import { inflate, InflateBudget } from '../../kafka/compression.ts';
import { decodeEntries, installFetchDecoding, Unreadable } from '../../kafka/fetch-decoding.ts';
import { FetchedRecord } from '../../kafka/record-batches.ts';
import { toRecord, toRecords } from '../../kafka/record.ts';
import { batchOf, oldMessage, storedBatch, storedRecord, varint } from './kafka-bytes.ts';

const require = createRequire(import.meta.url);

const decode = (...entries: Buffer[]) => decodeEntries(Buffer.concat(entries), new InflateBudget());
const visible = (messages: Awaited<ReturnType<typeof decode>>) =>
  messages.filter((message): message is FetchedRecord => message instanceof FetchedRecord && !message.isControlRecord);
const offsets = (messages: Awaited<ReturnType<typeof decode>>) =>
  messages.map((message) =>
    message instanceof Unreadable ? `unreadable from ${message.from}` : Number(message.offset),
  );
const value = Buffer.from('v');
const gzipped = (bytes: Buffer) => storedBatch({ attributes: 1, records: gzipSync(bytes) });

describe('record batches', () => {
  const bytes = fc.option(
    fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each)),
    { nil: null },
  );
  const header: fc.Arbitrary<RecordHeader> = fc.tuple(
    fc.oneof(
      fc.uint8Array({ maxLength: 5 }),
      fc.constantFrom('', '__proto__', 'toString').map((text) => textHeader(text, null)[0]),
    ),
    bytes,
  );
  const record = fc.record({
    key: bytes,
    value: bytes,
    headers: fc.array(header, { maxLength: 5 }),
    timestampDelta: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
  });

  test('give back any record: key, value, time to the last digit, and all headers in their order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { minLength: 1, maxLength: 10 }),
        fc.nat({ max: 2 ** 50 }),
        fc.bigInt({ min: -(2n ** 61n), max: 2n ** 61n }),
        async (records, firstOffset, firstTimestamp) => {
          const found = await decode(
            batchOf(records, { firstOffset, firstTimestamp, producerId: 7n, attributes: 0x10 }),
          );
          expect(
            visible(found).map(({ offset, timestamp, key, value: each, storedHeaders, batchContext }) => ({
              offset,
              timestamp,
              key,
              value: each,
              headers: [...headersIn(storedHeaders)].map(plain),
              batchContext,
            })),
          ).toEqual(
            records.map(({ timestampDelta, key, value: each, headers }, i) => ({
              offset: String(firstOffset + i),
              timestamp: String(BigInt.asIntN(64, firstTimestamp + timestampDelta)),
              key,
              value: each,
              headers: headers.map(plain),
              batchContext: { producerId: '7', inTransaction: true, timeIsBrokers: false },
            })),
          );
        },
      ),
    );
  });

  test('are what kafkajs reads in them, where kafkajs can', async () => {
    const kafkajsDecode = require('kafkajs/src/protocol/requests/fetch/v4/decodeMessages') as (
      decoder: object,
    ) => Promise<Record<string, unknown>[]>;
    const Decoder = require('kafkajs/src/protocol/decoder') as new (raw: Buffer) => object;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(record, { minLength: 1, maxLength: 4 }), { maxLength: 3 }),
        fc.constantFrom(0, 8, 0x20),
        async (lists, attributes) => {
          const entries = Buffer.concat(
            lists.map((records, i) =>
              batchOf(records, {
                firstOffset: i * 10,
                attributes,
                firstTimestamp: 1_767_225_600_000n,
                maxTimestamp: 1_767_225_700_000n,
              }),
            ),
          );
          const raw = Buffer.concat([Buffer.alloc(4), entries]);
          raw.writeInt32BE(entries.length);
          const theirs = await kafkajsDecode(new Decoder(raw));
          const ours = (await decode(entries)) as FetchedRecord[];
          expect(
            ours.map(({ offset, timestamp, key, value: each, isControlRecord }) => ({
              offset,
              timestamp,
              key,
              value: each,
              isControlRecord,
            })),
          ).toEqual(
            theirs.map(({ offset, timestamp, key, value: each, isControlRecord }) => ({
              offset,
              timestamp,
              key,
              value: each,
              isControlRecord,
            })),
          );
        },
      ),
    );
  });

  test('have the time of the broker where it is the one who sets it', async () => {
    const [message] = await decode(
      batchOf([{ value, timestampDelta: 5n }], { attributes: 8, firstTimestamp: 1n, maxTimestamp: 1_767_225_600_000n }),
    );
    expect(toRecord(message as never)).toMatchObject({ timestampMs: 1_767_225_600_000, timeIsBrokers: true });
  });

  test('give kafkajs the headers as it would have them', async () => {
    const headers = [textHeader('a', '1'), textHeader('b', null), textHeader('a', '2'), textHeader('__proto__', 'p')];
    const [message] = visible(await decode(batchOf([{ headers }])));
    expect(Object.entries(message!.headers)).toEqual([
      ['a', [Buffer.from('1'), Buffer.from('2')]],
      ['b', null],
      ['__proto__', Buffer.from('p')],
    ]);
  });

  test('that compaction has emptied, at their ends or wholly, are passed', async () => {
    const found = await decode(
      batchOf([{ value }], { lastOffsetDelta: 4 }),
      storedBatch({ firstOffset: 5, count: 0, lastOffsetDelta: 3, records: Buffer.alloc(0) }),
      batchOf([{ value }], { firstOffset: 9 }),
    );
    expect(offsets(found)).toEqual([0, 4, 8, 9]);
    expect(visible(found).map(({ offset }) => offset)).toEqual(['0', '9']);
  });

  test('of many headers cost what their bytes cost: not a single object for each, until somebody reads them', async () => {
    const count = 200_000;
    const batch = batchOf([{ value, headers: Array.from({ length: count }, (_, i) => textHeader(`h${i}`, 'v')) }]);
    const [message] = visible(await decode(batch));
    // A view on the batch: neither copied nor taken apart.
    expect(message!.storedHeaders!.buffer).toBe(message!.value!.buffer);
    expect([...headersIn(message!.storedHeaders)]).toHaveLength(count);
  });
});

describe('what cannot be read', () => {
  const good = batchOf([{ value }, { value }]);
  const behind = (firstOffset: number, change: (batch: Buffer) => Buffer | void) => {
    const batch = batchOf([{ value }, { value }], { firstOffset });
    return change(batch) ?? batch;
  };
  const record = (bytes: Buffer, parts = {}) => storedBatch({ firstOffset: 2, records: bytes, ...parts });

  test.each<[string, Buffer, string]>([
    ['a changed byte', behind(2, (batch) => void (batch[65]! ^= 1)), 'checksum'],
    ['a length of -1', behind(2, (batch) => void batch.writeInt32BE(-1, 8)), 'says it has 11 bytes'],
    ['a length of nothing', behind(2, (batch) => void batch.writeInt32BE(0, 8)), 'says it has 12 bytes'],
    ['a format to come', behind(2, (batch) => void batch.writeInt8(3, 16)), 'format 3'],
    ['a codec to come', storedBatch({ firstOffset: 2, attributes: 5, records: value }), 'codec 5'],
    [
      'broken gzip',
      storedBatch({ firstOffset: 2, attributes: 1, records: deflateRawSync(value) }),
      'gzip record batch',
    ],
    [
      'broken snappy',
      storedBatch({ firstOffset: 2, attributes: 2, records: Buffer.from([9, 9, 9]) }),
      'snappy record batch',
    ],
    [
      'broken xerial',
      storedBatch({
        firstOffset: 2,
        attributes: 2,
        records: Buffer.concat([
          Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]),
          Buffer.alloc(8),
          Buffer.from([0x7f, 0, 0, 0]),
        ]),
      }),
      'snappy record batch',
    ],
    ['broken lz4', storedBatch({ firstOffset: 2, attributes: 3, records: Buffer.alloc(20) }), 'lz4 record batch'],
    ['broken zstd', storedBatch({ firstOffset: 2, attributes: 4, records: Buffer.alloc(20) }), 'zstd record batch'],
    ['nothing in zstd', storedBatch({ firstOffset: 2, attributes: 4, records: Buffer.alloc(0) }), 'zstd record batch'],
    ['2 billion records', record(storedRecord({ value }), { count: 2 ** 31 - 1 }), 'says it has 2147483647 records'],
    ['-5 records', record(storedRecord({ value }), { count: -5 }), 'says it has -5 records'],
    [
      'a record longer than its batch',
      record(Buffer.concat([varint(1_000), Buffer.alloc(20)])),
      'says it has 1000 bytes',
    ],
    ['a record of -3 bytes', record(Buffer.concat([varint(-3), Buffer.alloc(20)])), 'says it has -3 bytes'],
    ['a length without an end', record(Buffer.alloc(20, 0xff)), 'does not end'],
    ['a length of 2^40', record(Buffer.concat([varint(2n ** 40n), Buffer.alloc(20)])), 'too large'],
    ['a value of -7 bytes', record(recordBytes([0, 0, 0, ...varint(-1), ...varint(-7), 0])), 'says it has -7 bytes'],
    [
      'a value longer than its record',
      record(recordBytes([0, 0, 0, ...varint(-1), ...varint(500), 0])),
      'says it has 500 bytes',
    ],
    [
      'a billion headers',
      record(recordBytes([0, 0, 0, 1, 1, ...varint(1_000_000_000), 0, 0])),
      'headers that cannot be read',
    ],
    [
      'a header without a name',
      record(recordBytes([0, 0, 0, 1, 1, ...varint(1), 1, 1])),
      'headers that cannot be read',
    ],
    [
      'fewer records than there are',
      record(Buffer.concat([storedRecord({ value }), storedRecord({ value })]), { count: 0, lastOffsetDelta: 1 }),
      'bytes behind the 0 records',
    ],
    [
      'an end before its beginning',
      record(Buffer.alloc(0), { count: 0, lastOffsetDelta: -1 }),
      'ends before it begins',
    ],
    [
      'an offset behind its end',
      batchOf([{ value, offsetDelta: 4 }], { firstOffset: 2, lastOffsetDelta: 0 }),
      'at offset 6, which is not between',
    ],
    [
      'an offset before its beginning',
      batchOf([{ value, offsetDelta: -2 }], { firstOffset: 2, lastOffsetDelta: 0 }),
      'at offset 0, which is not between',
    ],
    [
      'an old message that holds none',
      oldMessage({ offset: 2, attributes: 1, value: gzipSync(Buffer.alloc(0)) }),
      'holds no messages',
    ],
    ['a record with something left over', record(recordBytes([0, 0, 0, 1, 1, 0, 9, 9, 9])), 'not that of its parts'],
  ])('%s: what is before it comes, and then where it begins and why', async (_, entry, reason) => {
    const found = await decode(good, entry, good);
    expect(offsets(found)).toEqual([0, 1, 'unreadable from 2']);
    expect((found.at(-1) as Unreadable).reason).toContain(reason);
  });

  test('the records of a batch before the broken one come', async () => {
    const records = [
      storedRecord({ value }),
      storedRecord({ value, offsetDelta: 1 }),
      recordBytes([0, 0, 4, 1, 1, 0, 9]),
    ];
    expect(offsets(await decode(storedBatch({ count: 3, records: Buffer.concat(records) })))).toEqual([
      0,
      1,
      'unreadable from 2',
    ]);
  });

  test('records at one offset are not taken for repeats of each other', async () => {
    expect(offsets(await decode(batchOf([{ value }, { value, offsetDelta: 0 }])))).toEqual([0, 'unreadable from 1']);
    const inner = Buffer.concat([oldMessage({ offset: 0, value }), oldMessage({ offset: 0, value })]);
    expect(offsets(await decode(oldMessage({ offset: 7, attributes: 1, value: gzipSync(inner) })))).toEqual([
      7,
      'unreadable from 8',
    ]);
  });

  test('a last batch that was cut is left for the next fetch, unless there is nothing else', async () => {
    for (const length of [0, 10, 16, 17, 60, good.length - 1])
      expect(offsets(await decode(good, good.subarray(0, length)))).toEqual([0, 1]);
    expect(offsets(await decode(good.subarray(0, good.length - 1)))).toEqual(['unreadable from 0']);
  });

  test('any bytes at all end neither in an error nor without an end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
        async (tail, changes) => {
          const bytes = Buffer.concat([
            good,
            batchOf([{ key: value, value, headers: [textHeader('a', 'b')] }], { firstOffset: 2 }),
            Buffer.from(tail),
          ]);
          for (const [place, byte] of changes) bytes[place % bytes.length] = byte;
          expect((await decode(bytes)).length).toBeGreaterThanOrEqual(0);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('is behind the records in our form', async () => {
    const found = await decode(good, Buffer.alloc(80));
    expect(toRecords(found as never)).toMatchObject({
      records: [{ offset: 0 }, { offset: 1 }],
      unreadable: { from: 2 },
    });
  });
});

describe('a bound on what is inflated', () => {
  const mebibyte = 1024 * 1024;
  const zeros = Buffer.alloc(2 * mebibyte);
  const xerial = (block: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(block.length);
    return Buffer.concat([
      Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]),
      length,
      block,
      length,
      block,
    ]);
  };
  const snapped = snappy.compressSync(zeros) as Buffer;

  test.each<[string, number, () => Promise<Buffer> | Buffer, number]>([
    ['gzip', 1, () => gzipSync(zeros), 2],
    ['snappy', 2, () => snapped, 2],
    ['snappy in blocks', 2, () => xerial(snapped), 4],
    ['lz4', 3, () => lz4.compressFrameSync(zeros), 2],
    ['zstd that says its size', 4, () => zstdOf(zeros), 2],
  ])('%s: as large as allowed it comes, and one byte more does not', async (_, codec, make, mebibytes) => {
    const bytes = await make();
    const budget = new InflateBudget();
    expect(await inflate(codec, bytes, budget, mebibytes * mebibyte)).toHaveLength(mebibytes * mebibyte);
    await expect(inflate(codec, bytes, budget, mebibytes * mebibyte - 1)).rejects.toThrow(
      /that inflates to more than \d+; lower batch.size at its producer, or max.message.bytes/,
    );
  });

  test('lz4 counts a second frame behind the first', async () => {
    const frame = lz4.compressFrameSync(zeros);
    await expect(
      inflate(3, Buffer.concat([lz4.compressFrameSync(value), frame]), new InflateBudget(), mebibyte),
    ).rejects.toThrow('that inflates to more than');
  });

  test('a batch that inflates to a gigabyte is one that cannot be read', async () => {
    const bomb = gzipSync(Buffer.alloc(70 * mebibyte));
    expect(bomb.length).toBeLessThan(100_000);
    const [found] = await decode(storedBatch({ firstOffset: 7, attributes: 1, records: bomb }));
    expect(found).toMatchObject({ from: 7, reason: expect.stringContaining('inflates to more than 67108864') });
  });

  test('many batches that inflate far come in several fetches', async () => {
    const batch = (firstOffset: number) =>
      storedBatch({
        firstOffset,
        attributes: 1,
        records: gzipSync(storedRecord({ value: Buffer.alloc(30 * mebibyte) })),
      });
    expect(offsets(await decode(batch(0), batch(1), batch(2), batch(3), batch(4)))).toEqual([0, 1, 2]);
  });

  test('plain and compressed batches lie side by side', async () => {
    expect(offsets(await decode(batchOf([{ value }]), gzipped(storedRecord({ value }))))).toEqual([0, 0]);
  });
});

describe('messages of before Kafka 0.11', () => {
  test('come with their keys, values and times', async () => {
    const found = await decode(
      oldMessage({ offset: 3, format: 0, key: value, value: null }),
      oldMessage({ offset: 4, timestamp: 1_767_225_600_000n, value }),
      batchOf([{ value }], { firstOffset: 5 }),
    );
    expect(found.map((message) => toRecord(message as never))).toEqual([
      { offset: 3, timestampMs: -1, key: value, value: null },
      { offset: 4, timestampMs: 1_767_225_600_000, key: null, value },
      { offset: 5, timestampMs: 0, key: null, value },
    ]);
  });

  test('come out of one that holds them compressed, counted from its own offset', async () => {
    const inner = Buffer.concat([
      oldMessage({ offset: 0, timestamp: 5n, value }),
      oldMessage({ offset: 1, timestamp: 6n, value }),
    ]);
    const wrapper = oldMessage({ offset: 11, attributes: 1, timestamp: 9n, value: gzipSync(inner) });
    expect((await decode(wrapper)).map(({ offset }) => offset)).toEqual(['10', '11']);
    const ofBroker = oldMessage({ offset: 11, attributes: 1 | 8, timestamp: 9n, value: gzipSync(inner) });
    expect((await decode(ofBroker)).map((message) => toRecord(message as never))).toMatchObject([
      { timestampMs: 9, timeIsBrokers: true },
      { timestampMs: 9, timeIsBrokers: true },
    ]);
    const absolute = oldMessage({
      offset: 1,
      format: 0,
      attributes: 1,
      value: gzipSync(
        Buffer.concat([oldMessage({ offset: 0, format: 0, value }), oldMessage({ offset: 1, format: 0, value })]),
      ),
    });
    expect((await decode(absolute)).map(({ offset }) => offset)).toEqual(['0', '1']);
  });

  test.each([12, 17, 18, 25])('that are changed at byte %i or end too early are told', async (place) => {
    const message = oldMessage({ offset: 2, value });
    message[place]! ^= 0x55;
    expect(offsets(await decode(batchOf([{ value }, { value }]), message)).at(-1)).toMatch(/^unreadable from/);
  });
});

test('is installed for the version of kafkajs that it was written for, once', () => {
  installFetchDecoding();
  for (const version of [4, 5, 6, 7, 8, 9, 10, 11]) {
    const response = require(`kafkajs/src/protocol/requests/fetch/v${version}/response`) as {
      decode: { isOurs?: true };
    };
    const { decode: installed } = response;
    expect(installed.isOurs).toBe(true);
    installFetchDecoding();
    expect(response.decode).toBe(installed);
  }
});

test('reads an answer of each version as kafkajs does', async () => {
  const Encoder = require('kafkajs/src/protocol/encoder') as new () => {
    writeInt32(n: number): unknown;
    buffer: Buffer;
  } & Record<string, (each: unknown) => unknown>;
  installFetchDecoding();
  for (const version of [4, 5, 7, 8, 11]) {
    const encoder = new Encoder();
    encoder.writeInt32(12);
    if (version >= 7) {
      (encoder['writeInt16'] as (n: number) => unknown).call(encoder, 0);
      encoder.writeInt32(77);
    }
    encoder.writeInt32(1);
    (encoder['writeString'] as (text: string) => unknown).call(encoder, 't');
    encoder.writeInt32(1);
    encoder.writeInt32(3);
    (encoder['writeInt16'] as (n: number) => unknown).call(encoder, 0);
    for (const number of version >= 5 ? [9, 8, 1] : [9, 8])
      (encoder['writeInt64'] as (n: bigint) => unknown).call(encoder, BigInt(number));
    encoder.writeInt32(-1);
    if (version >= 11) encoder.writeInt32(-1);
    (encoder['writeBytes'] as (bytes: Buffer) => unknown).call(encoder, batchOf([{ value }], { firstOffset: 7 }));
    const { decode: installed } = require(`kafkajs/src/protocol/requests/fetch/v${version}/response`) as {
      decode(raw: Buffer): Promise<Record<string, unknown>>;
    };
    expect(await installed(encoder.buffer)).toEqual({
      ...(version >= 8 ? { throttleTime: 0, clientSideThrottleTime: 12 } : { throttleTime: 12 }),
      ...(version >= 7 ? { errorCode: 0, sessionId: 77 } : {}),
      responses: [
        {
          topicName: 't',
          partitions: [
            {
              partition: 3,
              errorCode: 0,
              highWatermark: '9',
              lastStableOffset: '8',
              ...(version >= 5 ? { lastStartOffset: '1' } : {}),
              abortedTransactions: [],
              ...(version >= 11 ? { preferredReadReplica: -1 } : {}),
              messages: [expect.objectContaining({ offset: '7' })],
            },
          ],
        },
      ],
    });
  }
});

function plain(header: RecordHeader): (number[] | null)[] {
  return header.map((part) => part && [...part]);
}

function recordBytes(body: number[]): Buffer {
  return Buffer.concat([varint(body.length), Buffer.from(body)]);
}

async function zstdOf(bytes: Buffer): Promise<Buffer> {
  const { init, compress } = await import('@bokuweb/zstd-wasm');
  await init();
  return Buffer.from(compress(bytes));
}
