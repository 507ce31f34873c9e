import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Lane, recordBytes } from '../../bridge/lane.ts';
import type { Fetch } from '../../kafka/source.ts';
import { encodeHeaders, textHeader } from '../../contracts/record-headers.ts';
import { encodeRecords, type KafkaRecord } from '../../contracts/records-frame.ts';

const caps = { recordsMax: 100, bytesMax: 1_000_000 };

function recordAt(offset: number, valueBytes = 10): KafkaRecord {
  return { offset, timestampMs: offset, key: null, value: new Uint8Array(valueBytes) };
}

function fetchOf(
  fetchedOffset: number,
  offsets: number[],
  endOffset = (offsets.at(-1) ?? fetchedOffset - 1) + 1,
): Fetch {
  return {
    partition: 0,
    fetchedOffset,
    endOffset,
    logEnd: endOffset,
    records: offsets.map((offset) => recordAt(offset)),
  };
}

describe('Lane', () => {
  test('takes only a fetch that begins at its tail', () => {
    const lane = new Lane(10);
    expect(lane.accept(fetchOf(9, [9, 10]))).toBe('below');
    expect(lane.accept(fetchOf(11, [11]))).toBe('above');
    expect(lane.isEmpty).toBe(true);
    expect(lane.accept(fetchOf(10, [10, 11]))).toBe('appended');
    expect(lane.tail).toBe(12);
    expect(lane.accept(fetchOf(10, [10, 11]))).toBe('below');
  });

  test('a batch of all records claims the gap behind them, a part of them does not', () => {
    const lane = new Lane(0);
    lane.accept(fetchOf(0, [0, 3, 4], 9));
    expect(lane.cut(caps)).toMatchObject({ position: 0, end: 9 });
    expect(lane.cut({ ...caps, recordsMax: 2 })).toMatchObject({
      position: 0,
      end: 4,
      records: [{ offset: 0 }, { offset: 3 }],
    });
  });

  test('a record above the cap travels alone, and is never left behind', () => {
    const lane = new Lane(0);
    lane.accept({ ...fetchOf(0, []), records: [recordAt(0, 5_000), recordAt(1, 10)], endOffset: 2 });
    expect(lane.cut({ recordsMax: 10, bytesMax: 1_000 })).toMatchObject({ end: 1, records: [{ offset: 0 }] });
    lane.advance(1);
    expect(lane.cut({ recordsMax: 10, bytesMax: 1_000 })).toMatchObject({
      position: 1,
      end: 2,
      records: [{ offset: 1 }],
    });
  });

  test('headers count: a batch of small records with long headers stays within the cap', () => {
    const lane = new Lane(0);
    const headers = encodeHeaders([textHeader('trace', 'x'.repeat(1_300))]);
    const records = Array.from({ length: 2_048 }, (_, offset) => ({ ...recordAt(offset), headers }));
    lane.accept({ ...fetchOf(0, []), records, endOffset: 2_048 });
    expect(lane.bytes).toBeGreaterThan(2_048 * 1_300);
    const cut = lane.cut({ recordsMax: 2_048, bytesMax: 384 * 1024 })!;
    const batch = {
      deployment: 'd',
      pipeline: 'p',
      epoch: 0,
      topic: 't',
      layout: 0,
      chain: 0,
      sequence: 0,
      ranges: [{ partition: 0, position: 0, end: cut.end, count: cut.records.length }],
    };
    expect(encodeRecords(batch, cut.records, 1).length).toBeLessThan(400 * 1024);
    expect(cut.records.length).toBeGreaterThan(200);
  });

  test('offsets without a record behind the position are done, and count as such only while no record waits', () => {
    const lane = new Lane(0);
    lane.accept(fetchOf(0, [], 5));
    expect(lane).toMatchObject({ position: 0, tail: 5, doneBelow: 5 });
    lane.accept(fetchOf(5, [5]));
    expect(lane.doneBelow).toBe(0);
    lane.advance(6);
    expect(lane.doneBelow).toBe(6);
  });

  test('goes on from an adopted end that is shorter than what it had cut', () => {
    const lane = new Lane(0);
    lane.accept(fetchOf(0, [0, 1, 2, 3]));
    expect(lane.advance(2)).toBe(false);
    expect(lane.cut(caps)).toMatchObject({ position: 2, end: 4, records: [{ offset: 2 }, { offset: 3 }] });
  });

  test('goes on from an adopted end behind its tail, and asks to seek there', () => {
    const lane = new Lane(0);
    lane.accept(fetchOf(0, [0, 1]));
    expect(lane.advance(7)).toBe(true);
    expect(lane).toMatchObject({ position: 7, tail: 7, isEmpty: true, bytes: 0 });
    expect(lane.cut(caps)).toBeUndefined();
  });

  test('refuses an end that does not move the position', () => {
    expect(() => new Lane(5).advance(5)).toThrow(RangeError);
  });

  test('property: batches of any fetches merge into one span that holds every record once', () => {
    const step = fc.record({
      gaps: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 8 }),
      trailing: fc.nat(3),
      recordsMax: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
        const lane = new Lane(0);
        const produced: number[] = [];
        const scored: number[] = [];
        let position = 0;
        const takeBatch = (recordsMax: number) => {
          const cut = lane.cut({ recordsMax, bytesMax: 1e9 });
          if (!cut) return;
          expect(cut.position).toBe(position);
          expect(cut.end).toBeGreaterThan(cut.position);
          scored.push(...cut.records.map((record) => record.offset));
          lane.advance(cut.end);
          position = cut.end;
        };
        for (const { gaps, trailing, recordsMax } of steps) {
          const offsets: number[] = [];
          let next = lane.tail - 1;
          for (const gap of gaps) offsets.push((next += gap));
          produced.push(...offsets);
          lane.accept(fetchOf(lane.tail, offsets, next + 1 + trailing));
          takeBatch(recordsMax);
          expect(lane.bytes).toBe((produced.length - scored.length) * recordBytes(recordAt(0)));
        }
        while (!lane.isEmpty) takeBatch(3);
        expect(scored).toEqual(produced);
      }),
    );
  });
});
