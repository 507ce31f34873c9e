import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChainProgress, type ChainStart } from '../../bridge/chain-progress.ts';
import type { BatchRange } from '../../contracts/event-key.ts';
import type { Positions, ScoredReply } from '../../contracts/names.ts';
import { chainRef } from './chain-rig.ts';

const progressOf = (start: Partial<ChainStart> = {}) =>
  new ChainProgress(chainRef, { sequence: 7, after: 'sixth', positions: { 0: 10, 1: 20 }, ...start });

const range = (partition: number, position: number, end: number): BatchRange => ({
  partition,
  position,
  end,
  count: end - position,
});

const replyOf = (ranges: BatchRange[], positions: Positions, untouched?: number[]): ScoredReply => ({
  ranges,
  positions,
  startId: 'seventh',
  ...(untouched ? { untouched } : {}),
});

const positionsOf = (progress: ChainProgress) => progress.behind([]).positions;

describe('how far a chain is', () => {
  test('goes on behind the run that exists, also of partitions that it had cut nothing of', () => {
    const progress = progressOf();
    const moved = progress.adopt(replyOf([range(1, 20, 25)], { 0: 10, 1: 25 }));
    expect([...moved!]).toEqual([[1, 25]]);
    expect(progress).toMatchObject({ sequence: 8, after: 'seventh', scored: 7 });
    expect(positionsOf(progress)).toEqual({ 0: 10, 1: 25 });
  });

  test('takes the positions of the run where they are ahead of its own', () => {
    const progress = progressOf();
    expect([...progress.adopt(replyOf([range(1, 20, 25)], { 0: 14, 1: 25 }))!]).toEqual([
      [0, 14],
      [1, 25],
    ]);
  });

  test('a range that does not begin at its position: nothing is taken, and the next number is tried behind that run', () => {
    const progress = progressOf();
    expect(progress.adopt(replyOf([range(0, 10, 12), range(1, 21, 25)], { 0: 12, 1: 25 }))).toBeUndefined();
    expect(progress).toMatchObject({ sequence: 8, after: 'seventh' });
    expect(positionsOf(progress)).toEqual({ 0: 10, 1: 20 });
  });

  test('a run of which nothing was taken is not one to go on from: the last that was stays the scored one', () => {
    const progress = progressOf();
    expect(progress.scored).toBe(6);
    progress.adopt(replyOf([range(1, 21, 25)], { 0: 10, 1: 25 }));
    expect(progress.scored).toBe(6);
    progress.adopt(replyOf([range(1, 20, 22)], { 0: 10, 1: 22 }));
    expect(progress).toMatchObject({ sequence: 9, scored: 8 });
  });

  test('has scored nothing at the first number', () => {
    expect(progressOf({ sequence: 0 }).scored).toBeUndefined();
  });

  test('adds a partition that it did not know', () => {
    const progress = progressOf();
    expect([...progress.adopt(replyOf([range(2, 3, 9)], { 0: 10, 1: 20, 2: 9 }))!]).toEqual([[2, 9]]);
    expect(progress.position(2)).toBe(9);
  });

  test('keeps what the run lacks: an owner before knew of fewer partitions', () => {
    const progress = progressOf();
    progress.begin(2, 5);
    progress.adopt(replyOf([range(0, 10, 11)], { 0: 11, 1: 20 }));
    expect(positionsOf(progress)).toEqual({ 0: 11, 1: 20, 2: 5 });
    expect(progress.isUntouched(2)).toBe(true);
  });

  test('a partition is untouched until a batch holds some of it', () => {
    const progress = progressOf();
    progress.begin(2, 5);
    progress.begin(5, 0);
    expect(progress.behind([range(2, 5, 6)])).toEqual({ positions: { 0: 10, 1: 20, 2: 6, 5: 0 }, untouched: [5] });
    progress.adopt(replyOf([range(2, 5, 6)], { 0: 10, 1: 20, 2: 6, 5: 0 }, [5]));
    expect([2, 5].map((partition) => progress.isUntouched(partition))).toEqual([false, true]);
  });

  test('learns from the run which partitions are untouched, and believes it of none that it has seen a batch of', () => {
    const progress = progressOf();
    progress.adopt(replyOf([range(0, 10, 11)], { 0: 11, 1: 20, 3: 4 }, [1, 3]));
    expect([1, 3].map((partition) => progress.isUntouched(partition))).toEqual([false, true]);
  });

  test('property: whatever replies come, no position goes back, and a batch of its own is the positions before and its ranges', () => {
    const offset = fc.nat(30);
    const reply = fc.record({
      ranges: fc.uniqueArray(
        fc.record({ partition: fc.nat(4), position: offset, count: fc.integer({ min: 1, max: 5 }) }),
        {
          selector: ({ partition }) => partition,
          maxLength: 3,
        },
      ),
      others: fc.dictionary(fc.constantFrom('0', '1', '2', '3', '4'), offset),
      // Mostly one that fits.
      fits: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 20 }), (replies) => {
        const progress = progressOf();
        for (const { ranges: some, others, fits } of replies) {
          const before = positionsOf(progress);
          const ranges = some.map(({ partition, position, count }) => {
            const from = fits ? (before[partition] ?? position) : position;
            return range(partition, from, from + count);
          });
          const ends = Object.fromEntries(ranges.map(({ partition, end }) => [partition, end]));
          expect(progress.behind(ranges).positions).toEqual({ ...before, ...ends });
          const moved = progress.adopt(replyOf(ranges, { ...others, ...ends }));
          if (fits) expect(moved).toBeDefined();
          const after = positionsOf(progress);
          for (const [partition, position] of Object.entries(before))
            expect(after[Number(partition)]).toBeGreaterThanOrEqual(position);
          if (!moved) expect(after).toEqual(before);
          else expect(after).toMatchObject(Object.fromEntries(moved));
        }
      }),
    );
  });
});
