import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newestTimeOf, packState, unpackState } from '../../features/pack-state.ts';

const pane = fc.record({
  stepMs: fc.oneof(
    fc.integer({ min: 1, max: 100 }).map((seconds) => seconds * 1_000),
    fc.integer({ min: 1, max: 2 ** 42 }),
  ),
  count: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
  sums: fc.tuple(
    fc.oneof(
      fc.integer({ min: -9_999, max: 99_999 }).map((cents) => cents / 100),
      fc.double({ noNaN: true }),
    ),
    fc.double(),
  ),
});

describe('packState', () => {
  test('gives every state back, to the last bit', () => {
    fc.assert(
      fc.property(fc.array(pane, { maxLength: 40 }), (panes) => {
        let time = 0;
        const state = Float64Array.from([
          4,
          ...panes.flatMap(({ stepMs, count, sums }) => [(time += stepMs), count, ...sums]),
        ]);
        expect(unpackState(packState(state))).toEqual(state);
        expect(newestTimeOf(packState(state))).toBe(panes.length > 0 ? time : -Infinity);
      }),
      { numRuns: 500 },
    );
  });

  test('is short for money in whole seconds', () => {
    const panes = Array.from({ length: 60 }, (_, i) => [1.5e12 + i * 43_200_000, 1, 57.16 + i]);
    const state = Float64Array.from([3, ...panes.flat()]);
    expect(packState(state).length).toBeLessThan(state.byteLength / 3);
  });

  test('refuses what it did not write', () => {
    expect(() => unpackState(Uint8Array.of(9, 3, 0))).toThrow('format 9');
    expect(() => unpackState(packState(Float64Array.of(3, 1_000, 1, 2)).subarray(0, 5))).toThrow(RangeError);
  });
});
