import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HeadraceError } from '../../contracts/failures.ts';
import {
  compileFeatures,
  foldBatch,
  MemoryStore,
  openLmdbStore,
  RefusedInARow,
  type FeatureStore,
  type FoldContext,
} from '../../features/index.ts';
import { cuts, paymentLog } from './arbitrary.ts';
import { applyRange, batchOf, eventsOf, payments, rowsByOffset, type Payment } from './support.ts';

const plan = compileFeatures(payments);
const log: Payment[] = Array.from({ length: 12 }, (_, i) => ({
  id: `p${i}`,
  timeMs: i * 1_000,
  card: `c${i % 2}`,
  shop: 's',
  amount: i,
}));

interface Opened {
  store: FeatureStore;
  /** Closes and opens again, where the store outlives its process. */
  reopen(): Promise<FeatureStore>;
  end(): Promise<void>;
}

async function openMemory(): Promise<Opened> {
  const store = new MemoryStore();
  return { store, reopen: async () => store, end: () => store.close() };
}

async function openLmdb(): Promise<Opened> {
  const dataDir = await mkdtemp(join(tmpdir(), 'headrace-features-'));
  const opened: Opened = {
    store: openLmdbStore({ dataDir }),
    async reopen() {
      await opened.store.close();
      opened.store = openLmdbStore({ dataDir });
      return opened.store;
    },
    async end() {
      await opened.store.close();
      await rm(dataDir, { recursive: true });
    },
  };
  return opened;
}

describe.each([
  ['memory', openMemory],
  ['lmdb', openLmdb],
])('feature store: %s', (_, openStore) => {
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
    expect((await apply(6, 12)).header).toMatchObject({ commitSequence: 3, duplicates: [], watermarkMs: 11_000 });
  });

  test('another start of the last batch has no rows: the first one decided them', async () => {
    await apply(0, 3);
    const started = (startId: string) => applyRange(store, plan, log, { ...batchOf(3, 6), startId });
    const first = await started('first');
    store = await opened.reopen();
    expect(await started('first')).toEqual(first);
    const { header, recordIndex } = await started('second');
    expect(header.duplicates).toEqual([0, 1, 2]);
    expect(recordIndex).toHaveLength(0);
    expect(await started('first')).toEqual(first);
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

  test('keeps the result of a batch that another one overlaps with: its run may not have recorded it', async () => {
    const started = (position: number, end: number, startId: string) =>
      applyRange(store, plan, log, { ...batchOf(position, end), startId });
    await started(0, 3, 'a');
    const overlapped = await started(3, 6, 'b');
    expect((await started(4, 8, 'c')).header.duplicates).toEqual([0, 1]);
    await started(8, 10, 'd');
    store = await opened.reopen();
    expect(await started(3, 6, 'b')).toEqual(overlapped);
    expect((await started(3, 6, 'e')).recordIndex).toHaveLength(0);
  });

  test('keeps the result of the last batch, too, when the chain is walked again over it and there is nothing to apply', async () => {
    const started = (position: number, end: number, startId: string) =>
      applyRange(store, plan, log, { ...batchOf(position, end), startId });
    await started(0, 3, 'a');
    const overlapped = await started(3, 8, 'b');
    expect((await started(2, 5, 'c')).recordIndex).toHaveLength(0);
    expect((await started(5, 8, 'd')).recordIndex).toHaveLength(0);
    store = await opened.reopen();
    await started(8, 10, 'e');
    await started(10, 12, 'f');
    expect(await started(3, 8, 'b')).toEqual(overlapped);
    expect((await started(8, 10, 'e')).recordIndex, 'nobody walked over this one').toHaveLength(0);
  });

  test('a batch that is answered and lies before the last one keeps nothing', async () => {
    const started = (position: number, end: number, startId: string) =>
      applyRange(store, plan, log, { ...batchOf(position, end), startId });
    await started(0, 3, 'a');
    await started(3, 8, 'b');
    await started(0, 3, 'c');
    await started(8, 10, 'd');
    expect((await started(3, 8, 'b')).recordIndex).toHaveLength(0);
  });

  test('keeps only so many overlapped results', async () => {
    const started = (position: number, end: number) =>
      applyRange(store, plan, log, { ...batchOf(position, end), startId: `${end}` });
    await started(0, 2);
    for (let end = 3; end <= 9; end++) await started(end - 2, end);
    expect((await started(7, 8 + 1)).recordIndex).toHaveLength(1);
    for (const end of [8, 7, 6, 5])
      expect((await started(end - 2, end)).recordIndex, `the batch to ${end}`).toHaveLength(1);
    expect((await started(2, 4)).recordIndex, 'one too many').toHaveLength(0);
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
    await apply(0, 4);
    const newest = await apply(4, 8);
    const old = await apply(0, 4);
    expect([old.recordIndex.length, old.header.duplicates, old.header.commitSequence]).toEqual([0, [0, 1, 2, 3], 2]);
    expect(await apply(4, 8)).toEqual(newest);
  });

  test.each([
    ['a batch whose predecessor is missing', 6, 9],
    ['a batch of an unknown chain that is not its first', 3, 6],
  ])('refuses %s', async (_name, position, end) => {
    if (position === 6) await apply(0, 3);
    const refused = store.apply(batchOf(position, end), () => expect.unreachable('folded'));
    await expect(refused).rejects.toMatchObject({ name: HeadraceError.name, code: 'PREDECESSOR_MISSING' });
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
      expect(store.appliedTo(batchOf(0, 0))).toBe(3);
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

    test('and was read again is remembered, of each chain apart', async () => {
      await store.noteReadAgain(batchOf(0, 0), [3, 70]);
      store = await opened.reopen();
      const of = (partition: number) =>
        [3, 4, 70].map((offset) => store.wasReadAgain(batchOf(0, 0, { partition }), offset));
      expect([of(0), of(1)]).toEqual([
        [true, false, true],
        [false, false, false],
      ]);
    });

    test('and was read again is forgotten below an offset, where everything counts as read again from then on', async () => {
      await store.noteReadAgain(batchOf(0, 0), [3, 70, 500]);
      await store.noteReadAgain(batchOf(0, 0, { partition: 1 }), [3]);
      expect(await store.forgetReadAgain(batchOf(0, 0), 2)).toBe(false);
      const of = (partition: number) =>
        [2, 3, 69, 70, 71, 500].map((offset) => store.wasReadAgain(batchOf(0, 0, { partition }), offset));
      expect(of(0)).toEqual([false, true, false, true, false, true]);
      expect(await store.forgetReadAgain(batchOf(0, 0), 70)).toBe(false);
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
      expect(header.watermarkMs).toBe(end < 80 ? Math.min(end - 1, 39) * 1_000 : whole.watermarkMs);
      store = await opened.reopen();
    }
    expect(whole.watermarkMs).toBe(9e9 + 79_000);
  });

  test('a chain may begin anywhere, and chains do not share their markers', async () => {
    expect((await apply(5, 7, { head: true })).recordIndex).toHaveLength(2);
    expect((await apply(0, 2, { partition: 1 })).header).toMatchObject({
      duplicates: [],
      commitSequence: 2,
      watermarkMs: 1_000,
    });
    expect((await apply(7, 9)).header).toMatchObject({ duplicates: [], commitSequence: 3, watermarkMs: 8_000 });
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

test('memory and LMDB agree to the last byte on any log, any cuts and any repeats', async () => {
  const runs = paymentLog.chain((anyLog) =>
    fc.tuple(fc.constant(anyLog), cuts(anyLog.length), fc.array(fc.nat(2), { minLength: 7, maxLength: 7 })),
  );
  await fc.assert(
    fc.asyncProperty(runs, async ([anyLog, ranges, repeats]) => {
      const lmdb = await openLmdb();
      try {
        const memory = new MemoryStore();
        for (const [i, { position, end }] of ranges.entries()) {
          const batch = batchOf(position, end);
          const expected = await applyRange(memory, plan, anyLog, batch);
          for (let again = 0; again <= repeats[i]!; again++)
            expect(await applyRange(lmdb.store, plan, anyLog, batch)).toEqual(expected);
          if (repeats[i] === 2) await lmdb.reopen();
        }
      } finally {
        await lmdb.end();
      }
    }),
    { numRuns: 25 },
  );
});
