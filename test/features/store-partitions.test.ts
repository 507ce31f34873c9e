import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { partitionOf } from '../../contracts/event-key.ts';
import { compileFeatures, foldBatch, MemoryStore, PredecessorMissing, RefusedInARow } from '../../features/index.ts';
import { stores, type Opened } from './stores.ts';
import { applyRange, batchOfRanges, payments, rangeOf, rowsByPlace, type Payment } from './support.ts';

const plan = compileFeatures(payments);
/** Of three partitions, over shared entities. */
const logs = [0, 1, 2].map((partition) =>
  Array.from(
    { length: 12 },
    (_, i): Payment => ({
      id: `p${partition}.${i}`,
      timeMs: (i + 100 * partition) * 1_000,
      card: `c${i % 2}`,
      shop: 's',
      amount: 12 * partition + i,
    }),
  ),
);
const topic = { deployment: 'test', pipeline: 'payments', epoch: 0, topic: 'payments' };

type Of = Parameters<typeof rangeOf>;

describe.each(stores)('feature store, batches of several partitions: %s', (_, openStore) => {
  let opened: Opened;
  beforeEach(async () => {
    opened = await openStore();
  });
  afterEach(() => opened.end());

  const apply = (ranges: Of[], parts?: Parameters<typeof batchOfRanges>[1]) =>
    applyRange(
      opened.store,
      plan,
      logs,
      batchOfRanges(
        ranges.map((of) => rangeOf(...of)),
        parts,
      ),
    );
  const appliedTo = () => logs.map((_log, partition) => opened.store.appliedTo(partitionOf(topic, partition)));
  const begin = () =>
    apply([
      [0, 0, 4],
      [1, 0, 6],
    ]);

  test('are one application, with a marker and a watermark for each of them', async () => {
    const { header, recordIndex } = await begin();
    expect(header).toMatchObject({ commitSequence: 1, duplicates: [], watermarksMs: [3_000, 105_000] });
    expect(recordIndex).toHaveLength(10);
    await opened.reopen();
    expect(appliedTo()).toEqual([4, 6, null]);
    const { header: next } = await apply([
      [1, 6, 7],
      [2, 0, 2],
    ]);
    expect(next).toMatchObject({ commitSequence: 2, duplicates: [], watermarksMs: [106_000, 201_000] });
    expect(appliedTo()).toEqual([4, 7, 2]);
  });

  test('have duplicates in that partition alone that went on without them', async () => {
    const reference = new MemoryStore();
    const ranges = [rangeOf(0, 0, 4), rangeOf(1, 0, 6)];
    await applyRange(reference, plan, logs, batchOfRanges(ranges));
    const rest = await applyRange(reference, plan, logs, batchOfRanges([rangeOf(0, 4, 8), rangeOf(1, 6, 9)]));
    await begin();
    await opened.reopen();
    const mixed = await apply([
      [0, 4, 8],
      [1, 2, 9],
    ]);
    expect(mixed.header.duplicates).toEqual([4, 5, 6, 7]);
    expect([...rowsByPlace(mixed)]).toEqual([...rowsByPlace(rest)]);
    expect(mixed.header.watermarksMs).toEqual([7_000, 108_000]);
    expect(appliedTo()).toEqual([8, 9, null]);
  });

  test('never take a marker back', async () => {
    await begin();
    const { header, recordIndex } = await apply([
      [0, 4, 5],
      [1, 2, 4],
    ]);
    expect(header.duplicates).toEqual([1, 2]);
    expect(recordIndex).toHaveLength(1);
    expect(appliedTo()).toEqual([5, 6, null]);
  });

  test('have no effect when all of each is applied', async () => {
    await begin();
    const again = await apply([
      [0, 1, 4],
      [1, 0, 3],
    ]);
    expect(again.header).toMatchObject({ duplicates: [0, 1, 2, 3, 4, 5], commitSequence: 1 });
    expect((await apply([[0, 4, 5]])).header.commitSequence).toBe(2);
  });

  test.each<[string, Of, RegExp]>([
    ['behind its predecessor', [1, 7, 9], /range \[7, 9\) of test:payments:0:payments:1 came before .* from 6 on/],
    ['not the first of a new partition', [2, 5, 7], /range \[5, 7\) of test:payments:0:payments:2 is not the first/],
  ])('wait as a whole when one of them is %s', async (_name, behind, message) => {
    await begin();
    const refused = opened.store.apply(batchOfRanges([rangeOf(0, 4, 8), rangeOf(...behind)]), () =>
      expect.unreachable('folded'),
    );
    await expect(refused).rejects.toBeInstanceOf(PredecessorMissing);
    await expect(refused).rejects.toMatchObject({ range: rangeOf(...behind), message: expect.stringMatching(message) });
    expect(appliedTo()).toEqual([4, 6, null]);
  });

  test('go on in another layout where those of the old one have ended', async () => {
    await apply([[0, 0, 4]], { chain: 0 });
    await apply([[1, 0, 6]], { chain: 1 });
    const { header } = await apply(
      [
        [0, 4, 5],
        [1, 5, 8],
      ],
      { layout: 1 },
    );
    expect(header).toMatchObject({ duplicates: [1], commitSequence: 3, watermarksMs: [4_000, 107_000] });
  });

  test('count what is refused in a row over all of them, and tell what earlier batches have refused', async () => {
    const refuse = (...ranges: Of[]) => {
      const batch = batchOfRanges(ranges.map((of) => rangeOf(...of)));
      const offsets = batch.ranges.flatMap(({ position, end }) =>
        Array.from({ length: end - position }, (_each, i) => position + i),
      );
      const rejections = offsets.map((_offset, index) => ({
        index,
        step: 'decode' as const,
        code: 'NOT_JSON',
        reason: 'no JSON',
      }));
      return opened.store.apply(batch, foldBatch(plan, batch, offsets, [], rejections, 6));
    };
    const refused = (await refuse([0, 0, 3], [1, 0, 4]).catch((error: unknown) => error)) as RefusedInARow;
    expect(refused).toBeInstanceOf(RefusedInARow);
    expect([refused.last.index, refused.count, refused.before, refused.first]).toEqual([5, 6, 0, {}]);
    await refuse([1, 0, 2]);
    await expect(refuse([0, 0, 3], [1, 2, 4])).rejects.toMatchObject({
      last: { index: 3 },
      count: 6,
      before: 2,
      first: { 1: 0 },
    });
  });
});
