import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeTouching, type LedgerRow } from '../../ledger/merge-touching.ts';

const row = (position: number, end: number, more: Partial<LedgerRow> = {}): LedgerRow => ({
  position,
  end,
  count: end - position,
  batches: 1,
  doubled: 0,
  layout: 0,
  chain: 0,
  firstSequence: 0,
  lastSequence: 0,
  atSeconds: 0,
  ...more,
});

/** Every offset of the rows, with how many of them have it. */
function coverage(rows: readonly LedgerRow[]): Map<number, number> {
  const times = new Map<number, number>();
  for (const { position, end } of rows)
    for (let offset = position; offset < end; offset++) times.set(offset, (times.get(offset) ?? 0) + 1);
  return times;
}

describe('mergeTouching', () => {
  it('makes one row of neighbours, and leaves holes', () => {
    expect(
      mergeTouching([row(20, 30, { atSeconds: 9 }), row(0, 10), row(10, 20, { count: 3, atSeconds: 4 }), row(31, 40)]),
    ).toEqual([row(0, 30, { count: 23, batches: 3, atSeconds: 9 }), row(31, 40)]);
  });

  it('keeps the least and the greatest sequence of what it merges', () => {
    const of = (sequence: number) => ({ firstSequence: sequence, lastSequence: sequence });
    expect(mergeTouching([row(10, 20, of(7)), row(0, 10, of(3)), row(20, 30, of(5)), row(40, 50, of(9))])).toEqual([
      row(0, 30, { batches: 3, firstSequence: 3, lastSequence: 7 }),
      row(40, 50, of(9)),
    ]);
  });

  it('leaves layouts apart, whatever they share', () => {
    const rows = [
      row(0, 10),
      row(10, 20),
      row(20, 30, { layout: 1 }),
      row(30, 40, { layout: 1 }),
      row(5, 8, { layout: 1 }),
    ];
    expect(mergeTouching(rows)).toEqual([
      row(0, 20, { batches: 2 }),
      row(5, 8, { layout: 1 }),
      row(20, 40, { batches: 2, layout: 1 }),
    ]);
  });

  it('counts the offsets that were taken twice', () => {
    expect(mergeTouching([row(0, 10), row(5, 12), row(6, 8, { doubled: 1 })])).toEqual([
      row(0, 12, { count: 19, batches: 3, doubled: 8 }),
    ]);
  });

  it('keeps every offset, in the fewest rows, whatever the ranges are', () => {
    const ranges = fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 15 })), { maxLength: 20 });
    fc.assert(
      fc.property(ranges, (pairs) => {
        const rows = pairs.map(([position, length]) => row(position, position + length));
        const merged = mergeTouching(rows);
        const before = coverage(rows);
        expect([...coverage(merged).keys()].toSorted((a, b) => a - b)).toEqual(
          [...before.keys()].toSorted((a, b) => a - b),
        );
        expect(merged.every(({ position }, i) => i === 0 || merged[i - 1]!.end < position)).toBe(true);
        const total = (of: (each: LedgerRow) => number) => merged.reduce((sum, each) => sum + of(each), 0);
        expect(total(({ batches }) => batches)).toBe(rows.length);
        expect(total(({ doubled }) => doubled)).toBe([...before.values()].reduce((sum, times) => sum + times - 1, 0));
      }),
    );
  });
});
