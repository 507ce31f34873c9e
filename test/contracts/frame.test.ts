import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeFrame, decodeFrameHeader, encodeFrame, isFrame } from '../../contracts/frame.ts';
import { recordBytes } from '../../bridge/lane.ts';
import { encodeHeaders } from '../../contracts/record-headers.ts';
import { decodeRecords, encodeRecords, type KafkaRecord } from '../../contracts/records-frame.ts';
import { oneRange } from './one-range.ts';

const topic = { deployment: 'd', pipeline: 'p', epoch: 0, topic: 't' };
const bytes = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: null });
const header = fc.tuple(fc.uint8Array({ maxLength: 200 }), bytes);
const record: fc.Arbitrary<KafkaRecord> = fc.record(
  {
    offset: fc.maxSafeNat(),
    timestampMs: fc.integer(),
    key: bytes,
    value: bytes,
    headers: fc.array(header, { minLength: 1 }).map(encodeHeaders),
    timeIsBrokers: fc.constant(true as const),
    stub: fc.record(
      { recordBytes: fc.integer({ min: 1, max: 2 ** 31 }), headersLeftOut: fc.integer({ min: 1, max: 2 ** 31 }) },
      { requiredKeys: ['recordBytes'], noNullPrototype: true },
    ),
  },
  { requiredKeys: ['offset', 'timestampMs', 'key', 'value'], noNullPrototype: true },
);
/** Of all that Kafka's 64 bits can say. */
const inexact = fc
  .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  .filter((time) => !Number.isSafeInteger(Number(time)))
  .map((time) => ({ timestampMs: Number(time), timestampDigits: String(time) }));
const anyRecord: fc.Arbitrary<KafkaRecord> = fc.oneof(
  record,
  fc.tuple(record, inexact).map(([each, time]) => ({ ...each, ...time })),
);

describe('frame', () => {
  test('gives back every column and the header', () => {
    const frame = {
      header: { kind: 'test', note: 'ünïcode' },
      columns: {
        a: Uint8Array.of(1, 2, 3),
        b: Float64Array.of(Math.PI, -0),
        c: new Uint32Array(0),
        d: Float32Array.of(1.5),
        e: Uint16Array.of(65_535),
        f: Int32Array.of(-7),
      },
    };
    const encoded = encodeFrame(frame);
    expect(isFrame(encoded)).toBe(true);
    expect(decodeFrame(encoded)).toEqual(frame);
    expect(decodeFrameHeader(encoded)).toEqual(frame.header);
  });

  test('is read from any alignment of its buffer', () => {
    const encoded = encodeFrame({ header: { kind: 'test' }, columns: { x: Float64Array.of(1, 2, 3) } });
    for (let shift = 0; shift < 8; shift++) {
      const shifted = new Uint8Array(encoded.length + shift);
      shifted.set(encoded, shift);
      expect(decodeFrame(shifted.subarray(shift)).columns['x']).toEqual(Float64Array.of(1, 2, 3));
    }
  });

  test('refuses bytes that are no frame, and a frame that was cut anywhere', () => {
    expect(() => decodeFrame(new Uint8Array(20))).toThrow(RangeError);
    const encoded = encodeFrame({ header: { kind: 'test' }, columns: { x: Float64Array.of(1, 2, 3) } });
    for (let length = 0; length < encoded.length; length++)
      expect(() => decodeFrame(encoded.slice(0, length))).toThrow(RangeError);
  });
});

describe('records frame', () => {
  test('takes no more than its batch cap counts, also for records with nothing but a time of nanoseconds', () => {
    const records = Array.from(
      { length: 2_000 },
      (_, offset): KafkaRecord => ({
        offset,
        timestampMs: Number('1767225600000000001'),
        timestampDigits: '1767225600000000001',
        timeIsBrokers: true,
        key: null,
        value: null,
        headers: new Uint8Array(),
      }),
    );
    const counted = records.reduce((sum, each) => sum + recordBytes(each), 0);
    expect(encodeRecords(oneRange(topic, { count: 2_000 }), records, 7).length).toBeLessThan(counted + 1_000);
  });

  test('gives back any records, each with the partition of its range', () => {
    const records = fc.array(fc.array(anyRecord, { maxLength: 10 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(records, (byRange) => {
        const ranges = byRange.map(({ length }, i) => ({ partition: 3 * i + 1, position: 5, end: 50, count: length }));
        const batch = { ...oneRange(topic), ranges };
        const decoded = decodeRecords(encodeRecords(batch, byRange.flat(), 7));
        expect(decoded).toMatchObject({ batch, clockMs: 7 });
        expect(decoded.records).toEqual(
          byRange.flatMap((of, i) => of.map((each) => ({ ...each, partition: ranges[i]!.partition }))),
        );
      }),
    );
  });
});
