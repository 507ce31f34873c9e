import { describe, expect, test } from 'vitest';
import { batchHeaders, recordTimeOf } from '../../kafka/batch-header.ts';
import { firstVisible } from '../../kafka/first-visible.ts';
import { oldMessage, storedBatch, type StoredBatch } from './kafka-bytes.ts';

/** A batch as brokers send it; its records are not looked at. */
const batch = (parts: Partial<StoredBatch>) =>
  storedBatch({ firstTimestamp: 1_000n, maxTimestamp: 2_000n, records: Buffer.alloc(9), ...parts });

describe('headers of record batches', () => {
  test('tell offsets, time and kind, also of a batch that is cut off behind its header', () => {
    const bytes = Buffer.concat([
      batch({ firstOffset: 3, count: 5 }),
      batch({ firstOffset: 8, attributes: 0x08 }),
      batch({ firstOffset: 9, attributes: 0x30, producerId: 7n }),
      batch({ firstOffset: 10, count: 0, lastOffsetDelta: 0 }),
    ]);
    const headers = batchHeaders(bytes.subarray(0, bytes.length - 5));
    expect(
      headers.map((each) => [each.firstOffset, each.lastOffset, recordTimeOf(each), each.isControl, each.count]),
    ).toEqual([
      [3, 7, 1_000, false, 5],
      [8, 8, 2_000, false, 1],
      [9, 9, 1_000, true, 1],
      [10, 10, 1_000, false, 0],
    ]);
    expect(headers[2]).toMatchObject({ inTransaction: true, producerId: '7' });
  });

  test('are told of older messages, too, of which the oldest have no time', () => {
    const headers = batchHeaders(
      Buffer.concat([
        oldMessage({ offset: 4, format: 0, value: Buffer.alloc(20) }),
        oldMessage({ offset: 5, timestamp: 1_234n }),
      ]),
    );
    expect(headers.map((each) => [each.firstOffset, each.lastOffset, recordTimeOf(each)])).toEqual([
      [4, 4, -1],
      [5, 5, 1_234],
    ]);
  });

  test('end where the bytes do, whatever they are', () => {
    expect(batchHeaders(Buffer.alloc(0))).toEqual([]);
    expect(batchHeaders(batch({}).subarray(0, 40))).toEqual([]);
    expect(batchHeaders(Buffer.alloc(200, 0xff))).toEqual([]);
  });
});

describe('the first visible batch', () => {
  const of = (firstOffset: number, more: object = {}) => ({
    firstOffset,
    lastOffset: firstOffset,
    count: 1,
    inTransaction: false,
    isControl: false,
    producerId: '-1',
    ...more,
  });
  const tx = (firstOffset: number, producerId: string, more: object = {}) =>
    of(firstOffset, { inTransaction: true, producerId, ...more });

  test('is behind what is done, markers, empty batches and aborted records', () => {
    const batches = [of(0), tx(1, 'a'), tx(2, 'b'), tx(3, 'a', { isControl: true }), tx(4, 'a'), of(5, { count: 0 })];
    const aborted = [{ producerId: 'a', firstOffset: 1 }];
    expect(firstVisible(batches, aborted, 0)?.firstOffset).toBe(0);
    expect(firstVisible(batches, aborted, 1)?.firstOffset).toBe(2);
    // The producer's next transaction is another one.
    expect(firstVisible(batches, aborted, 3)?.firstOffset).toBe(4);
    expect(firstVisible(batches, aborted, 5)).toBeUndefined();
  });

  test('is not behind a batch that compaction has emptied as behind a marker', () => {
    const batches = [tx(1, 'a', { count: 0 }), tx(2, 'a')];
    expect(firstVisible(batches, [{ producerId: 'a', firstOffset: 1 }], 0)).toBeUndefined();
  });
});
