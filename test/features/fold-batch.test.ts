import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeFeatures } from '../../contracts/features-frame.ts';
import { compileFeatures, foldBatch, MemoryStore } from '../../features/index.ts';
import { inARow } from '../../features/watermark.ts';
import { noRefusals } from '../../features/refusals.ts';
import { cuts, paymentLog } from './arbitrary.ts';
import { naiveRows } from './oracle.ts';
import {
  applyRange,
  batchOf,
  batchOfRanges,
  eventsOf,
  payments,
  rangeOf,
  rowsByOffset,
  rowsByPlace,
  type Payment,
} from './support.ts';

const plan = compileFeatures(payments);

describe('foldBatch', () => {
  test('gives the rows that a look at all earlier events gives, however the log is cut into batches', async () => {
    const logAndCuts = paymentLog.chain((log) => fc.tuple(fc.constant(log), cuts(log.length)));
    await fc.assert(
      fc.asyncProperty(logAndCuts, async ([log, ranges]) => {
        const store = new MemoryStore();
        const rows = [];
        for (const { position, end } of ranges)
          rows.push(...rowsByOffset(await applyRange(store, plan, log, batchOf(position, end))).values());
        expect(rows).toEqual(naiveRows(log));
      }),
      { numRuns: 300 },
    );
  });

  test('gives the rows of batches of one partition each that are applied in the order of its ranges', async () => {
    const logs = fc.tuple(paymentLog, paymentLog, paymentLog);
    const parts = fc.array(fc.tuple(fc.nat(30), fc.nat(30), fc.nat(30)), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(logs, parts, async (log, sizes) => {
        const together = new MemoryStore();
        const apart = new MemoryStore();
        const positions = [0, 0, 0];
        for (const size of sizes) {
          const ranges = size.flatMap((records, partition) => {
            const position = positions[partition]!;
            positions[partition] = Math.min(log[partition]!.length, position + records);
            return positions[partition] > position ? [rangeOf(partition, position, positions[partition])] : [];
          });
          if (ranges.length === 0) continue;
          const whole = await applyRange(together, plan, log, batchOfRanges(ranges));
          const single = [];
          for (const range of ranges) single.push(await applyRange(apart, plan, log, batchOfRanges([range])));
          expect([...rowsByPlace(whole)]).toEqual(single.flatMap((each) => [...rowsByPlace(each)]));
          expect(whole.header.watermarksMs).toEqual(single.flatMap(({ header }) => header.watermarksMs));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('marks a late event, gives it a row, and keeps it out of the windows', async () => {
    const log = [payment(100), payment(70), payment(100)];
    const rows = rowsByOffset(await applyRange(new MemoryStore(), plan, log, batchOf(0, 3)));
    expect(rows.get(1)).toEqual({ row: [1, 0, 0, 0, 0, 0], late: true });
    expect(rows.get(2)).toEqual({ row: [1, 2, 1, 0, 2, 2], late: false });
  });

  test('leaves out records below the marker: no row, no rejection, no effect', () => {
    const log = [payment(1), payment(2), payment(3), payment(4)];
    const batch = batchOf(0, 4);
    const rejections = [0, 3].map((index) => ({ index, step: 'decode' as const, code: 'NOT_JSON', reason: 'no JSON' }));
    const events = eventsOf(log, batch).filter(({ recordIndex }) => recordIndex === 1 || recordIndex === 2);
    const fold = foldBatch(plan, batch, [0, 1, 2, 3], events, rejections);
    const { result, watermarks } = fold({
      markers: [{ position: 2, watermarkMs: 500 }],
      commitSequence: 9,
      refusals: noRefusals,
      get: () => undefined,
    });
    const { header, recordIndex } = decodeFeatures(result);
    expect(header).toMatchObject({
      duplicates: [0, 1],
      rejections: [rejections[1]],
      watermarksMs: [3_000],
      commitSequence: 9,
    });
    expect([...recordIndex]).toEqual([2]);
    expect(watermarks).toMatchObject([{ watermarkMs: 3_000 }]);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no amount');
      },
      'features.amount failed (Error)',
    ],
    ['gives NaN', () => NaN, 'features.amount must give a finite number that float32 can hold'],
    ['gives what float32 cannot hold', () => 1e39, 'features.amount must give a finite number that float32 can hold'],
    ['gives no number', () => '7' as never, 'features.amount must give a finite number that float32 can hold'],
  ])('rejects an event for which a feature %s, and goes on with its neighbours', (_, broken, reason) => {
    const pipeline = {
      ...payments,
      features: {
        ...payments.features,
        amount: { kind: 'value' as const, of: (event: Payment) => (event.amount === 13 ? broken() : event.amount) },
      },
    };
    const log = [payment(1), { ...payment(2), amount: 13 }, payment(3)];
    const batch = batchOf(0, 3);
    const { result, states } = foldBatch(
      compileFeatures(pipeline),
      batch,
      [0, 1, 2],
      eventsOf(log, batch),
      [],
    )(emptyContext);
    const { header, recordIndex, values } = decodeFeatures(result);
    expect(header.rejections).toEqual([{ index: 1, step: 'decode', code: 'BAD_EVENT', reason }]);
    expect([...recordIndex]).toEqual([0, 2]);
    expect(values[header.names.length + header.names.indexOf('card_count')]).toBe(2);
    expect([...states.keys()]).toHaveLength(2);
  });

  test('an empty batch has no rows and keeps the watermark', () => {
    const empty = batchOfRanges([{ ...rangeOf(0, 5, 9), count: 0 }]);
    const fold = foldBatch(plan, empty, [], [], []);
    const { result, states, watermarks } = fold({ ...emptyContext, markers: [{ position: 5, watermarkMs: 77 }] });
    expect(decodeFeatures(result).values).toHaveLength(0);
    expect(states.size).toBe(0);
    expect(watermarks).toMatchObject([{ watermarkMs: 77 }]);
  });

  test('answers every state that it changed, also one that only forgot', () => {
    const early = { ...payment(0), card: 'early' };
    const later = { ...payment(0), timeMs: 500_000, card: 'later' };
    const { states } = foldBatch(plan, batchOf(0, 1), [0], eventsOf([early], batchOf(0, 1)), [])(emptyContext);
    // Nothing is forgotten before the watermark is believed.
    const events = [...Array<typeof later>(inARow).fill(later), early];
    const batch = batchOf(1, 1 + events.length);
    const after = foldBatch(
      plan,
      batch,
      events.map((_, i) => 1 + i),
      eventsOf([early, ...events], batch),
      [],
    )({ ...emptyContext, markers: [{ position: 1, watermarkMs: null }], get: (key) => states.get(key) });
    expect(decodeFeatures(after.result).header.late).toEqual([inARow]);
    const of = (changed: Map<string, Float64Array>) =>
      [...changed].filter(([key]) => key.endsWith('|early')).map(([, state]) => [...state]);
    expect(of(states)[0]!.length).toBeGreaterThan(1);
    // Nothing but the stride is left.
    expect(of(after.states)).toEqual([[of(states)[0]![0]]]);
  });
});

const emptyContext = {
  markers: [undefined],
  commitSequence: 1,
  refusals: noRefusals,
  get: () => undefined,
};

function payment(seconds: number): Payment {
  return { id: `at ${seconds}`, timeMs: seconds * 1_000, card: 'a', shop: 'x', amount: 1 };
}
