import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { partitionOf } from '../../contracts/event-key.ts';
import {
  compileFeatures,
  foldBatch,
  MemoryStore,
  PredecessorMissing,
  RefusedInARow,
  type FeatureStore,
  type FoldContext,
} from '../../features/index.ts';
import { cuts, paymentLog } from './arbitrary.ts';
import { openLmdb, stores, type Opened } from './stores.ts';
import {
  applyRange,
  batchOf,
  batchOfRanges,
  eventsOf,
  payments,
  rangeOf,
  rowsByOffset,
  type Payment,
} from './support.ts';

const plan = compileFeatures(payments);
const log: Payment[] = Array.from({ length: 12 }, (_, i) => ({
  id: `p${i}`,
  timeMs: i * 1_000,
  card: `c${i % 2}`,
  shop: 's',
  amount: i,
}));

describe.each(stores)('feature store: %s', (_, openStore) => {
  let opened: Opened;
  let store: FeatureStore;

  beforeEach(async () => {
    opened = await openStore();
    store = opened.store;
  });
  afterEach(() => opened.end());

  const apply = (position: number, end: number, options?: Parameters<typeof batchOf>[2]) =>
    applyRange(store, plan, log, batchOf(position, end, options));

  test('answers the same batch with the result it recorded, without folding again', async () => {
    await apply(0, 3);
    const first = await apply(3, 6);
    store = await opened.reopen();
    const fold = () => expect.unreachable('folded again');
    await expect(store.apply(batchOf(3, 6), fold)).resolves.toBeInstanceOf(Uint8Array);
    expect(await apply(3, 6)).toEqual(first);
    expect((await apply(6, 12)).header).toMatchObject({ commitSequence: 3, duplicates: [], watermarksMs: [11_000] });
  });

  test('a fold that throws after it has changed states has changed nothing', async () => {
    const whole = rowsByOffset(await applyRange(new MemoryStore(), plan, log, batchOf(0, 12)));
    const rows = [...rowsByOffset(await apply(0, 6))];
    const events = eventsOf(log, batchOf(6, 12));
    const fold = foldBatch(
      plan,
      batchOf(6, 12),
      events.map(({ offset }) => offset),
      events,
      [],
    );
    await expect(
      store.apply(batchOf(6, 12), (tx) => {
        fold(tx);
        throw new Error('too late');
      }),
    ).rejects.toThrow('too late');
    rows.push(...rowsByOffset(await apply(6, 12)));
    expect(new Map(rows)).toEqual(whole);
  });

  test('gives the rows of an uninterrupted run after it was reopened', async () => {
    const whole = rowsByOffset(await applyRange(new MemoryStore(), plan, log, batchOf(0, 12)));
    const rows = [];
    for (const [position, end] of [
      [0, 4],
      [4, 5],
      [5, 12],
    ] as const) {
      rows.push(...rowsByOffset(await apply(position, end)));
      store = await opened.reopen();
    }
    expect(new Map(rows)).toEqual(whole);
  });

  test('folds only what lies beyond the marker when a range comes back with another end', async () => {
    const whole = rowsByOffset(await applyRange(new MemoryStore(), plan, log, batchOf(0, 12)));
    await apply(0, 4);
    const longer = await apply(0, 8);
    expect(longer.header.duplicates).toEqual([0, 1, 2, 3]);
    const rest = await apply(8, 12);
    expect(new Map([...rowsByOffset(longer), ...rowsByOffset(rest)])).toEqual(new Map([...whole].slice(4)));
  });

  test('an old batch has no effect and does not displace the result of the newest one', async () => {
    await apply(0, 4, { startId: 'a' });
    const newest = await apply(4, 8, { startId: 'b', after: 'a' });
    const old = await apply(0, 4, { startId: 'a' });
    expect([old.recordIndex.length, old.header.duplicates, old.header.commitSequence]).toEqual([0, [0, 1, 2, 3], 2]);
    expect(await apply(4, 8, { startId: 'b', after: 'a' })).toEqual(newest);
  });

  test.each([
    ['a batch whose predecessor is missing', 6, 9],
    ['a batch of an unknown partition that is not its first', 3, 6],
  ])('refuses %s', async (_name, position, end) => {
    if (position === 6) await apply(0, 3);
    const refused = store.apply(batchOf(position, end), () => expect.unreachable('folded'));
    await expect(refused).rejects.toBeInstanceOf(PredecessorMissing);
    await expect(refused).rejects.toMatchObject({ code: 'PREDECESSOR_MISSING', range: rangeOf(0, position, end) });
  });

  describe('what is refused in a row', () => {
    const rejected = (position: number, end: number) =>
      Array.from({ length: end - position }, (_, index) => ({
        index,
        step: 'decode' as const,
        code: 'NOT_JSON',
        reason: 'no JSON',
      }));
    /** A batch without a single event; at most five records in a row may be refused. */
    const refuse = (position: number, end: number, options?: Parameters<typeof batchOf>[2]) => {
      const batch = batchOf(position, end, options);
      return store.apply(
        batch,
        foldBatch(
          plan,
          batch,
          Array.from({ length: end - position }, (_, i) => position + i),
          [],
          rejected(position, end),
          5,
        ),
      );
    };
    const scope = { deployment: 'test', pipeline: 'payments', epoch: 0 };
    const refOf = (partition: number) => partitionOf({ ...scope, topic: 'payments' }, partition);

    test('is counted over batches and partitions, survives the process, and changes with the batch or not at all', async () => {
      await refuse(0, 3);
      await refuse(0, 1, { partition: 1 });
      store = await opened.reopen();
      // The same batch again is only answered.
      await refuse(0, 3);
      await expect(refuse(3, 5)).rejects.toMatchObject({
        name: RefusedInARow.name,
        count: 5,
        before: 4,
        first: { 0: 0, 1: 0 },
      });
      store = await opened.reopen();
      expect(store.appliedTo(refOf(0))).toBe(3);
      await apply(1, 2, { partition: 1 });
      await refuse(3, 7);
      await expect(refuse(7, 8)).rejects.toBeInstanceOf(RefusedInARow);
    });

    test('passes where somebody has found it right', async () => {
      await refuse(0, 4);
      await store.tolerate(scope, [0]);
      store = await opened.reopen();
      await refuse(4, 12);
      await expect(refuse(0, 5, { partition: 1 })).rejects.toBeInstanceOf(RefusedInARow);
      // An event of another partition changes nothing here; one of its own does.
      await apply(0, 1, { partition: 2 });
      await refuse(12, 20);
      const batch = batchOf(20, 21);
      await store.apply(
        batch,
        foldBatch(plan, batch, [20], [{ ...eventsOf(log, batchOf(0, 1))[0]!, offset: 20 }], [], 5),
      );
      await expect(refuse(21, 26)).rejects.toBeInstanceOf(RefusedInARow);
      await store.tolerate({ ...scope, epoch: 1 }, [0]);
      await expect(refuse(21, 26)).rejects.toBeInstanceOf(RefusedInARow);
    });

    test('and was read again is remembered, of each partition apart', async () => {
      await store.noteReadAgain(refOf(0), [3, 70]);
      store = await opened.reopen();
      const of = (partition: number) => [3, 4, 70].map((offset) => store.wasReadAgain(refOf(partition), offset));
      expect([of(0), of(1)]).toEqual([
        [true, false, true],
        [false, false, false],
      ]);
    });

    test('and was read again is forgotten below an offset, where everything counts as read again from then on', async () => {
      await store.noteReadAgain(refOf(0), [3, 70, 500]);
      await store.noteReadAgain(refOf(1), [3]);
      expect(await store.forgetReadAgain(refOf(0), 2)).toBe(false);
      const of = (partition: number) =>
        [2, 3, 69, 70, 71, 500].map((offset) => store.wasReadAgain(refOf(partition), offset));
      expect(of(0)).toEqual([false, true, false, true, false, true]);
      expect(await store.forgetReadAgain(refOf(0), 70)).toBe(false);
      store = await opened.reopen();
      expect([of(0), of(1)]).toEqual([
        [true, true, true, true, false, true],
        [false, true, false, false, false, false],
      ]);
    });
  });

  test('a watermark goes on as if it had never been stored', async () => {
    const far = (i: number): Payment => ({ ...log[0]!, id: `f${i}`, timeMs: i < 40 ? i * 1_000 : 9e9 + i * 1_000 });
    const all = Array.from({ length: 80 }, (_, i) => far(i));
    const whole = (await applyRange(new MemoryStore(), plan, all, batchOf(0, 80))).header;
    for (const [position, end] of [
      [0, 10],
      [10, 39],
      [39, 60],
      [60, 80],
    ] as const) {
      const { header } = await applyRange(store, plan, all, batchOf(position, end));
      expect(header.watermarksMs).toEqual([end < 80 ? Math.min(end - 1, 39) * 1_000 : whole.watermarksMs[0]]);
      store = await opened.reopen();
    }
    expect(whole.watermarksMs).toEqual([9e9 + 79_000]);
  });

  test('a partition may begin anywhere, and partitions do not share their markers', async () => {
    expect((await apply(5, 7, { first: true })).recordIndex).toHaveLength(2);
    expect((await apply(0, 2, { partition: 1 })).header).toMatchObject({
      duplicates: [],
      commitSequence: 2,
      watermarksMs: [1_000],
    });
    expect((await apply(7, 9)).header).toMatchObject({ duplicates: [], commitSequence: 3, watermarksMs: [8_000] });
  });

  test('a fold that throws changes nothing, and its error comes through', async () => {
    await apply(0, 3);
    const thrown = new Error('broken fold');
    const breaking = (tx: FoldContext) => {
      tx.get('anything');
      throw thrown;
    };
    await expect(store.apply(batchOf(3, 6), breaking)).rejects.toBe(thrown);
    const next = await apply(3, 6);
    expect(next.header.commitSequence).toBe(2);
    const untouched = new MemoryStore();
    await applyRange(untouched, plan, log, batchOf(0, 3));
    expect(next).toEqual(await applyRange(untouched, plan, log, batchOf(3, 6)));
  });

  test('applies batches that arrive side by side one after the other', async () => {
    const heads = await Promise.all([0, 1, 2, 3].map((partition) => apply(0, 4, { partition })));
    expect(heads.map(({ header }) => header.commitSequence)).toEqual([1, 2, 3, 4]);
    const shopCount = heads[3]!.header.names.indexOf('shop_count');
    expect(heads[3]!.values[3 * heads[3]!.header.names.length + shopCount]).toBe(16);
  });
});

test('memory and LMDB agree to the last byte on any logs, any cuts and any repeats', async () => {
  const runs = fc
    .tuple(paymentLog, paymentLog)
    .chain(([log0, log1]) =>
      fc.tuple(
        fc.constant([log0, log1]),
        cuts(log0.length),
        cuts(log1.length),
        fc.array(fc.nat(2), { minLength: 7, maxLength: 7 }),
      ),
    );
  await fc.assert(
    fc.asyncProperty(runs, async ([logs, cuts0, cuts1, repeats]) => {
      const lmdb = await openLmdb();
      try {
        const memory = new MemoryStore();
        for (let i = 0; i < Math.max(cuts0.length, cuts1.length); i++) {
          const ranges = [cuts0[i], cuts1[i]].flatMap((range, partition) =>
            range && range.end > range.position ? [rangeOf(partition, range.position, range.end)] : [],
          );
          if (ranges.length === 0) continue;
          const batch = batchOfRanges(ranges);
          const expected = await applyRange(memory, plan, logs, batch);
          for (let again = 0; again <= repeats[i]!; again++)
            expect(await applyRange(lmdb.store, plan, logs, batch)).toEqual(expected);
          if (repeats[i] === 2) await lmdb.reopen();
        }
      } finally {
        await lmdb.end();
      }
    }),
    { numRuns: 25 },
  );
});
