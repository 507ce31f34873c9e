import fc from 'fast-check';
import type { Payment } from './support.ts';

/** A log of payments whose times mostly rise, with ties, jumps back (some of them too far) and quiet spells. */
export const paymentLog: fc.Arbitrary<Payment[]> = fc
  .array(
    fc.record({
      stepSeconds: fc.oneof(
        { weight: 8, arbitrary: fc.integer({ min: 0, max: 3 }) },
        { weight: 2, arbitrary: fc.integer({ min: -19, max: -1 }) },
        { weight: 1, arbitrary: fc.integer({ min: -60, max: 90 }) },
      ),
      card: fc.constantFrom('a', 'b', 'c'),
      shop: fc.constantFrom('x', 'y'),
      // Quarters add up exactly in any order, so that the oracle may compare bit by bit.
      quarters: fc.integer({ min: -4_000, max: 40_000 }),
    }),
    { maxLength: 80, size: 'max' },
  )
  .map((steps) => {
    let seconds = 1_000;
    return steps.map(({ stepSeconds, card, shop, quarters }, i) => {
      seconds = Math.max(0, seconds + stepSeconds);
      return { id: `p${i}`, timeMs: seconds * 1_000, card, shop, amount: quarters / 4 };
    });
  });

/** Ways to cut `length` records into consecutive ranges. */
export function cuts(length: number): fc.Arbitrary<{ position: number; end: number }[]> {
  return fc.uniqueArray(fc.integer({ min: 1, max: Math.max(1, length) }), { maxLength: 6 }).map((inner) => {
    const edges = [...new Set([0, ...inner.filter((edge) => edge < length), length])].sort((a, b) => a - b);
    return edges.slice(1).map((end, i) => ({ position: edges[i]!, end }));
  });
}

/** The same, long enough for a watermark that is believed, and with events mixed in whose time is far ahead or far behind, alone or several in a row. */
export const strayLog: fc.Arbitrary<Payment[]> = fc
  .record({
    steps: fc.array(
      fc.record({
        stepSeconds: fc.integer({ min: -40, max: 90 }),
        card: fc.constantFrom('a', 'b'),
        shop: fc.constantFrom('x', 'y'),
      }),
      { minLength: 40, maxLength: 120, size: 'max' },
    ),
    strays: fc.array(
      fc.record({
        at: fc.nat(120),
        count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 })),
        hours: fc.oneof(fc.constantFrom(1, 2, 24 * 365 * 8, -24 * 9, -24 * 365), fc.integer({ min: -300, max: 300 })),
      }),
      { maxLength: 5 },
    ),
    clockHours: fc.option(fc.integer({ min: -2, max: 5_000 }), { nil: undefined }),
  })
  .map(({ steps, strays, clockHours }) => {
    let seconds = 2_000_000_000;
    const clockMs = clockHours === undefined ? undefined : (seconds + clockHours * 3_600) * 1_000;
    return steps.map(({ stepSeconds, card, shop }, i) => {
      seconds += stepSeconds;
      const stray = strays.find(({ at, count }) => i >= at && i < at + count);
      return {
        id: `p${i}`,
        timeMs: (seconds + (stray?.hours ?? 0) * 3_600) * 1_000,
        card,
        shop,
        amount: i % 9,
        ...(clockMs === undefined ? {} : { clockMs }),
      };
    });
  });
