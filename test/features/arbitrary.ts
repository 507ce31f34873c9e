import fc from 'fast-check';
import type { Payment } from './support.ts';

/** A log of payments whose times mostly rise, with ties, jumps back (some of them too far) and quiet spells. */
export const paymentLog: fc.Arbitrary<Payment[]> = fc
  .array(
    fc.record({
      stepSeconds: fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 3 }) }, { weight: 2, arbitrary: fc.integer({ min: -19, max: -1 }) }, { weight: 1, arbitrary: fc.integer({ min: -60, max: 90 }) }),
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
