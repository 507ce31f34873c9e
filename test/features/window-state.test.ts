import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WindowState, type WindowLayout } from '../../features/window-state.ts';

const layout: WindowLayout = { fieldCount: 1, resolutionMs: 1_000, retentionMs: 100_000, panesMax: 512 };
const one = Float64Array.of(1);

describe('WindowState', () => {
  test('sees time in steps of its resolution, and its own event always', () => {
    const state = new WindowState(layout);
    state.fold(1_999, Float64Array.of(2.5), 0);
    state.fold(2_000, Float64Array.of(4), 0);
    expect(read(state, 1_000, 0, 1_000)).toEqual([1, 2.5]);
    expect(read(state, 2_999, 0, 1_000)).toEqual([1, 4]);
    expect(read(state, 2_999, 0, 2_000)).toEqual([2, 6.5]);
    expect(read(state, 2_999, 1_000, 1_000)).toEqual([1, 2.5]);
  });

  test('is the same however it is stored and taken up again', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 200 }), fc.boolean())), (steps) => {
        const whole = new WindowState(layout);
        let parted = new WindowState(layout);
        for (const [seconds, store] of steps) {
          whole.fold(seconds * 1_000, one, 0);
          parted.fold(seconds * 1_000, one, 0);
          if (store) parted = new WindowState(layout, parted.toArray().slice());
        }
        expect(parted.toArray()).toEqual(whole.toArray());
      }),
    );
  });

  test('forgets what lies its retention behind the watermark, to the second', () => {
    const state = new WindowState(layout);
    for (const seconds of [0, 50, 51, 100, 150, 20]) state.fold(seconds * 1_000, one, 0);
    state.forget(149_999);
    expect(read(state, 200_000, 0, 200_000)).toEqual([4, 4]);
    state.forget(151_999);
    expect([...state.toArray()]).toEqual([3, 100_000, 1, 1, 150_000, 1, 1]);
  });

  describe('at the cap on panes', () => {
    const capped: WindowLayout = { ...layout, panesMax: 64, retentionMs: 40_000_000 };

    test('stays within it, loses no event, and forgets the old ones in time', () => {
      const state = new WindowState(capped);
      for (let seconds = 0; seconds < 40_000; seconds++) state.fold(seconds * 1_000, one, 0);
      expect(state.toArray().length).toBe(1 + 64 * 3);
      expect(read(state, 39_999_000, 0, 40_000_000)).toEqual([40_000, 40_000]);
      state.forget(39_999_000 + 39_900_000);
      expect(read(state, 39_999_000, 0, 40_000_000)[0]).toBeLessThan(400);
      state.forget(39_999_000 + 40_000_000);
      expect(read(state, 39_999_000, 0, 40_000_000)).toEqual([0, 0]);
    });

    test('blurs the edge of a window by a share of its length, the near ones least', () => {
      const state = new WindowState({ ...capped, panesMax: 512 });
      for (let seconds = 0; seconds < 40_000; seconds++) state.fold(seconds * 1_000, one, 0);
      expect(read(state, 39_999_000, 0, 20_000)[0]).toBe(20);
      for (const lengthSeconds of [300, 3_000, 30_000]) {
        const [count] = read(state, 39_999_000, 0, lengthSeconds * 1_000);
        expect(Math.abs(count! / lengthSeconds - 1)).toBeLessThan(0.05);
      }
    });

    test('never holds more panes than the cap, in any order of events', () => {
      const small = { ...capped, panesMax: 4 };
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 0, max: 10_000 }), { maxLength: 100 }), (times) => {
          const state = new WindowState(small);
          for (const time of times) state.fold(time * 1_000, one, 0);
          expect(state.toArray().length).toBeLessThanOrEqual(1 + 4 * 3);
          expect(read(state, 10_000_000, 0, 40_000_000)).toEqual([times.length, times.length]);
        }),
      );
    });
  });
});

function read(state: WindowState, atMs: number, delayMs: number, lengthMs: number): number[] {
  const into = new Float64Array(2);
  state.read(atMs, delayMs, lengthMs, into);
  return [...into];
}
