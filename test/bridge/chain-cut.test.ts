import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutChain, smallerCut, type ChainCut, type FilledLane } from '../../bridge/chain-cut.ts';
import { Lane, recordBytes } from '../../bridge/lane.ts';
import type { KafkaRecord } from '../../contracts/records-frame.ts';

function recordOf(offset: number, valueBytes: number): KafkaRecord {
  return { offset, timestampMs: offset, key: null, value: new Uint8Array(valueBytes) };
}

/** A lane with a record of each of these sizes. */
function laneOf(partition: number, sizes: readonly number[]): FilledLane {
  const lane = new Lane(0);
  const records = sizes.map((size, offset) => recordOf(offset, size));
  lane.accept({ partition, fetchedOffset: 0, endOffset: sizes.length, logEnd: sizes.length, records });
  return { partition, lane };
}

const many = (records: number, bytes = 10) => Array.from({ length: records }, () => bytes);
const counts = (cut: ChainCut | undefined) =>
  Object.fromEntries(cut!.ranges.map(({ partition, records }) => [partition, records.length]));
const bytesOf = (cut: ChainCut) => cut.ranges.reduce((sum, { bytes }) => sum + bytes, 0);
const fixedBytes = recordBytes(recordOf(0, 0));

describe('the next batch of a chain', () => {
  test('has an equal share of each lane, in the order of the partitions', () => {
    const lanes = [laneOf(4, many(50)), laneOf(0, many(50)), laneOf(2, many(50))];
    const cut = cutChain(lanes, { recordsMax: 30, bytesMax: 1e6 });
    expect(cut!.ranges.map(({ partition, position, end }) => [partition, position, end])).toEqual([
      [0, 0, 10],
      [2, 0, 10],
      [4, 0, 10],
    ]);
  });

  test('gives what one leaves over evenly to the others, wherever it stands among them', () => {
    const few = laneOf(1, many(2));
    const much = [0, 2, 3].map((partition) => laneOf(partition, many(50)));
    const limits = { recordsMax: 32, bytesMax: 1e6 };
    for (const place of [0, 1, 2, 3])
      expect(counts(cutChain(much.toSpliced(place, 0, few), limits))).toEqual({ 0: 10, 1: 2, 2: 10, 3: 10 });
    expect(counts(cutChain([much[0]!, few], limits))).toEqual({ 0: 30, 1: 2 });
  });

  test('gives on what a lane that is short of bytes leaves of the records', () => {
    const lanes = [laneOf(0, many(30, 1_000)), laneOf(1, many(60, 10))];
    const cut = cutChain(lanes, { recordsMax: 100, bytesMax: 20 * (1_000 + fixedBytes) })!;
    expect(counts(cut)).toEqual({ 0: 17, 1: 54 });
  });

  test('shares the bytes as it shares the records', () => {
    const lanes = [laneOf(0, many(50, 1_000)), laneOf(1, many(50, 100))];
    const bytesMax = 10 * (1_000 + fixedBytes);
    const cut = cutChain(lanes, { recordsMax: 1_000, bytesMax })!;
    expect(counts(cut)).toEqual({ 0: 5, 1: Math.floor(bytesMax / 2 / (100 + fixedBytes)) });
  });

  test('has a record of each lane also where there are more lanes than records, as far as the records go', () => {
    const lanes = [3, 1, 2].map((partition) => laneOf(partition, many(5)));
    expect(counts(cutChain(lanes, { recordsMax: 2, bytesMax: 1e6 }))).toEqual({ 1: 1, 3: 1 });
  });

  test('leaves out a lane whose first record does not fit any more, and begins with it when it comes first', () => {
    const small = laneOf(0, many(50, 100));
    const large = laneOf(1, [9_950, 10]);
    const limits = { recordsMax: 100, bytesMax: 10_000 };
    expect(Object.keys(counts(cutChain([small, large], limits)))).toEqual(['0']);
    expect(counts(cutChain([large, small], limits))[1]).toBeGreaterThan(0);
  });

  test('a record that is larger than a batch travels alone, and only where it comes first', () => {
    const lanes = [laneOf(0, [50_000, 10]), laneOf(1, many(3))];
    const limits = { recordsMax: 100, bytesMax: 10_000 };
    expect(counts(cutChain(lanes, limits))).toEqual({ 0: 1 });
    expect(counts(cutChain(lanes.toReversed(), limits))).toEqual({ 1: 3 });
  });

  test('is none of lanes without records, and takes nothing away from the others', () => {
    const lane = laneOf(0, many(3));
    expect(cutChain([], { recordsMax: 1, bytesMax: 1 })).toBeUndefined();
    expect(cutChain([laneOf(1, [])], { recordsMax: 1, bytesMax: 1 })).toBeUndefined();
    cutChain([lane], { recordsMax: 2, bytesMax: 1e6 });
    expect(lane.lane).toMatchObject({ length: 3, position: 0 });
  });
});

describe('a batch that was refused for its size', () => {
  const limits = { recordsMax: 64, bytesMax: 1e6 };

  test('comes with half of its records, and at last with one', () => {
    const lanes = [laneOf(0, many(20)), laneOf(1, many(20))];
    const sizes: number[] = [];
    for (let cut = cutChain(lanes, limits); cut && !cut.asStub; cut = smallerCut(lanes, cut))
      sizes.push(cut.ranges.reduce((sum, { records }) => sum + records.length, 0));
    expect(sizes).toEqual([40, 20, 10, 5, 2, 1]);
  });

  test('of one record comes as a stub; refused once more, there is no smaller one', () => {
    const lanes = [laneOf(0, [500])];
    const alone = cutChain(lanes, limits)!;
    const stub = smallerCut(lanes, alone)!;
    expect(stub).toEqual({ ranges: alone.ranges, asStub: true });
    expect(smallerCut(lanes, stub)).toBeUndefined();
  });

  test('never grows in bytes: lanes of large records do not get what lanes of small ones had', () => {
    const lanes = [laneOf(0, many(1_000, 10)), laneOf(1, many(500, 50_000))];
    const cut = cutChain(lanes, { recordsMax: 1_000, bytesMax: 200_000 })!;
    let smaller = smallerCut(lanes, cut);
    for (let before = cut; smaller && !smaller.asStub; before = smaller, smaller = smallerCut(lanes, smaller))
      expect(bytesOf(smaller)).toBeLessThanOrEqual(bytesOf(before));
  });
});

describe('properties', () => {
  const sizes = fc.array(fc.oneof(fc.nat(50), fc.nat(5_000)), { minLength: 1, maxLength: 30 });
  const limitsOf = fc.record({
    recordsMax: fc.integer({ min: 1, max: 40 }),
    bytesMax: fc.integer({ min: 60, max: 8_000 }),
  });
  const lanesOf = fc.array(sizes, { minLength: 1, maxLength: 8 });

  test('a batch keeps its caps unless it is a single record, and each range begins its lane', () => {
    fc.assert(
      fc.property(lanesOf, limitsOf, (each, limits) => {
        const lanes = each.map((of, partition) => laneOf(partition, of));
        const cut = cutChain(lanes, limits)!;
        const records = cut.ranges.reduce((sum, range) => sum + range.records.length, 0);
        expect(records).toBeGreaterThan(0);
        expect(records).toBeLessThanOrEqual(limits.recordsMax);
        if (records > 1) expect(bytesOf(cut)).toBeLessThanOrEqual(limits.bytesMax);
        for (const { partition, position, end, records: taken } of cut.ranges) {
          expect(position).toBe(0);
          expect(taken.map(({ offset }) => offset)).toEqual(each[partition]!.slice(0, taken.length).map((_, i) => i));
          expect(end).toBe(taken.length);
        }
      }),
    );
  });

  test('shares evenly: no lane has more than one record more than another that holds more of the same size', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 100 }),
        (each, recordsMax) => {
          const lanes = each.map((records, partition) => laneOf(partition, many(records)));
          const has = counts(cutChain(lanes, { recordsMax, bytesMax: 1e6 }));
          const total = Object.values(has).reduce((sum, records) => sum + records, 0);
          expect(total).toBe(
            Math.min(
              recordsMax,
              each.reduce((sum, records) => sum + records, 0),
            ),
          );
          const most = Math.max(...Object.values(has));
          each.forEach((records, partition) => {
            const own = has[partition] ?? 0;
            if (own < records) expect(own).toBeGreaterThanOrEqual(most - 1);
          });
        },
      ),
    );
  });

  test('no lane starves: of those that stay filled each is served within as many batches as there are lanes', () => {
    fc.assert(
      fc.property(lanesOf, limitsOf, (each, limits) => {
        const lanes = each.map((of, partition) => laneOf(partition, of));
        const servedAt = lanes.map(() => -1);
        const waited = lanes.map(() => 0);
        for (let sequence = 0; lanes.some(({ lane }) => !lane.isEmpty); sequence++) {
          const filled = lanes
            .filter(({ lane }) => !lane.isEmpty)
            .toSorted((a, b) => servedAt[a.partition]! - servedAt[b.partition]! || a.partition - b.partition);
          const cut = cutChain(filled, limits)!;
          for (const { partition } of filled) waited[partition]!++;
          for (const { partition, end } of cut.ranges) {
            lanes[partition]!.lane.advance(end);
            servedAt[partition] = sequence;
            waited[partition] = 0;
          }
          expect(Math.max(...waited)).toBeLessThan(lanes.length);
        }
      }),
    );
  });
});
