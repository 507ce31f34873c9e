import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isNone, noRefusals, refusalsAfter, RefusedInARow, tolerate, type Refusals } from '../../features/refusals.ts';

/** One letter a record: `.` was accepted, any other is the code that it was refused with. */
function after(before: Refusals, records: string, { max = 5, partition = 0, from = 100 } = {}): Refusals {
  const all = records.split('').map((code, index) => ({ index, code, reason: 'none' }));
  return refusalsAfter(before, {
    partition,
    max,
    offsets: all.map(({ index }) => from + index),
    refused: all.filter(({ code }) => code !== '.'),
    accepted: all.filter(({ code }) => code === '.').map(({ index }) => index),
  });
}

describe('refusals in a row', () => {
  test.each([
    ['few', 'aaaa', { a: 4 }, { 0: 100 }],
    ['an acceptance ends the count', 'aaaa.aaaa', { a: 4 }, { 0: 105 }],
    ['an acceptance at the end leaves none', 'aaaa.', {}, {}],
    ['codes are counted apart', 'aaaabbbb', { a: 4, b: 4 }, { 0: 100 }],
  ])('%s', (_, records, counts, first) => {
    expect(after(noRefusals, records)).toEqual({ counts, first, tolerated: [] });
  });

  test.each([['aaaaa'], ['aabaaa'], ['aaaaa.'], ['.aaaaa'], ['aaaa.aaaaa.a'], ['.'.repeat(50) + 'ababababa']])(
    'too many: %s',
    (records) => {
      expect(() => after(noRefusals, records)).toThrow(RefusedInARow);
    },
  );

  test('are counted over batches and partitions, and say what has a dead letter already', () => {
    const before = after(after(noRefusals, '.aa'), 'a', { partition: 3, from: 7 });
    expect(before).toEqual({ counts: { a: 3 }, first: { 0: 101, 3: 7 }, tolerated: [] });
    const thrown = (() => {
      try {
        return after(before, 'aa', { from: 103 });
      } catch (error) {
        return error as RefusedInARow;
      }
    })();
    expect(thrown).toMatchObject({ count: 5, before: 3, first: { 0: 101, 3: 7 }, last: { index: 1, code: 'a' } });
    expect(after(before, '.aaaa', { from: 103 }).counts, 'nothing of the earlier ones is left').toEqual({ a: 4 });
  });

  test('that are found right pass in their partition until it accepts an event', () => {
    let refusals = tolerate(after(noRefusals, 'aaaa'), [0, 2]);
    refusals = after(refusals, 'aaaaaaaaa');
    expect(refusals).toEqual({ counts: {}, first: {}, tolerated: [0, 2] });
    // The others' acceptances say nothing of it, and their refusals are counted as ever.
    refusals = after(refusals, '.a', { partition: 1 });
    expect(refusals).toEqual({ counts: { a: 1 }, first: { 1: 101 }, tolerated: [0, 2] });
    expect(() => after(refusals, 'aaaa', { partition: 1 })).toThrow(RefusedInARow);
    // A whole batch passes, however it goes on, or it would wait for ever.
    refusals = after(refusals, 'aaaaaa.aaaaaaa');
    expect(refusals).toEqual({ counts: { a: 4 }, first: { 0: 107 }, tolerated: [2] });
    expect(() => after(refusals, 'a')).toThrow(RefusedInARow);
    expect(after(refusals, '.')).toEqual({ ...noRefusals, tolerated: [2] });
  });

  test('switched off, none is counted and any number passes', () => {
    expect(after(noRefusals, 'a'.repeat(1_000), { max: 0 })).toEqual(noRefusals);
    expect(after({ ...noRefusals, counts: { a: 3 } }, 'a.', { max: 0 })).toEqual(noRefusals);
  });

  test('never let so many in a row pass, however the records are cut into batches', () => {
    const pieces = fc.array(
      fc.record({
        partition: fc.nat(2),
        records: fc.string({ unit: fc.constantFrom('a', 'a', 'a', 'b', '.'), maxLength: 12 }),
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(pieces, (batches) => {
        let refusals = noRefusals;
        let passed = '';
        for (const { records, partition } of batches) {
          try {
            refusals = after(refusals, records, { partition });
            passed += records;
          } catch (error) {
            // Refused for a reason that a plain look at all records confirms; nothing of it has passed.
            expect(error).toBeInstanceOf(RefusedInARow);
            expect((passed + records).split('.').some(tooMany)).toBe(true);
          }
          expect(passed.split('.').some(tooMany)).toBe(false);
          expect(isNone(refusals)).toBe(passed === '' || passed.endsWith('.'));
        }
      }),
    );
  });
});

function tooMany(stretch: string): boolean {
  return ['a', 'b'].some((code) => stretch.split(code).length > 5);
}
