import { describe, expect, test } from 'vitest';
import { batchHeaders, firstVisible, type BatchHeader } from '../../kafka/batch-headers.ts';

/** A batch as brokers send it; its records are not looked at. */
function batch({
  base,
  last = 0,
  attributes = 0,
  firstMs = 1_000,
  maxMs = 2_000,
  producer = -1,
  count = last + 1,
}: {
  base: number;
  last?: number;
  attributes?: number;
  firstMs?: number;
  maxMs?: number;
  producer?: number;
  count?: number;
}): Buffer {
  const bytes = Buffer.alloc(70);
  bytes.writeBigInt64BE(BigInt(base), 0);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes[16] = 2;
  bytes.writeInt16BE(attributes, 21);
  bytes.writeInt32BE(last, 23);
  bytes.writeBigInt64BE(BigInt(firstMs), 27);
  bytes.writeBigInt64BE(BigInt(maxMs), 35);
  bytes.writeBigInt64BE(BigInt(producer), 43);
  bytes.writeInt32BE(count, 57);
  return bytes;
}

describe('headers of record batches', () => {
  test('tell offsets, time and kind, also of a batch that is cut off behind its header', () => {
    const bytes = Buffer.concat([
      batch({ base: 3, last: 4 }),
      batch({ base: 8, attributes: 0x08 }),
      batch({ base: 9, attributes: 0x30, producer: 7 }),
      batch({ base: 10, count: 0 }),
    ]);
    const headers = batchHeaders(bytes.subarray(0, bytes.length - 5));
    expect(
      headers.map(({ baseOffset, lastOffset, timeMs, hasRecords }) => [baseOffset, lastOffset, timeMs, hasRecords]),
    ).toEqual([
      [3, 7, 1_000, true],
      [8, 8, 2_000, true],
      [9, 9, 1_000, false],
      [10, 10, 1_000, false],
    ]);
    expect(headers[2]).toMatchObject({ isTransactional: true, producerId: '7' });
  });

  test('end where the bytes do, whatever they are', () => {
    expect(batchHeaders(Buffer.alloc(0))).toEqual([]);
    expect(batchHeaders(batch({ base: 0 }).subarray(0, 40))).toEqual([]);
    expect(batchHeaders(Buffer.alloc(200, 0xff))).toEqual([]);
  });
});

describe('the first visible batch', () => {
  const of = (base: number, more: Partial<BatchHeader> = {}): BatchHeader => ({
    baseOffset: base,
    lastOffset: base,
    timeMs: 0,
    hasRecords: true,
    isTransactional: false,
    producerId: '-1',
    ...more,
  });
  const tx = (base: number, producerId: string, more: Partial<BatchHeader> = {}) =>
    of(base, { isTransactional: true, producerId, ...more });

  test('is behind what is done, markers, empty batches and aborted records', () => {
    const batches = [
      of(0),
      tx(1, 'a'),
      tx(2, 'b'),
      tx(3, 'a', { hasRecords: false }),
      tx(4, 'a'),
      of(5, { hasRecords: false }),
    ];
    const aborted = [{ producerId: 'a', firstOffset: 1 }];
    expect(firstVisible(batches, aborted, 0)?.baseOffset).toBe(0);
    expect(firstVisible(batches, aborted, 1)?.baseOffset).toBe(2);
    // The producer's next transaction is another one.
    expect(firstVisible(batches, aborted, 3)?.baseOffset).toBe(4);
    expect(firstVisible(batches, aborted, 5)).toBeUndefined();
  });
});
