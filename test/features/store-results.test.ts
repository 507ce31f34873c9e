import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BatchRef } from '../../contracts/event-key.ts';
import { compileFeatures } from '../../features/index.ts';
import { stores, type Opened } from './stores.ts';
import { applyRange, batchOf, batchOfRanges, payments, rangeOf, type Payment } from './support.ts';

const plan = compileFeatures(payments);
const log = Array.from(
  { length: 12 },
  (_, i): Payment => ({ id: `p${i}`, timeMs: i * 1_000, card: `c${i % 2}`, shop: 's', amount: i }),
);

describe.each(stores)('results that a feature store keeps: %s', (_, openStore) => {
  let opened: Opened;
  beforeEach(async () => {
    opened = await openStore();
  });
  afterEach(() => opened.end());

  const apply = (batch: BatchRef) => applyRange(opened.store, plan, log, batch);
  /** @param after the start id of the batch before it, where that is known */
  const started = (position: number, end: number, startId: string, after?: string) =>
    apply(batchOf(position, end, { startId, ...(after === undefined ? {} : { after }) }));
  const rows = async (...of: Parameters<typeof started>) => (await started(...of)).recordIndex.length;

  test('another start of the last batch has no rows: the first one decided them', async () => {
    await started(0, 3, 'a');
    const first = await started(3, 6, 'b', 'a');
    await opened.reopen();
    expect(await started(3, 6, 'b', 'a')).toEqual(first);
    const { header, recordIndex } = await started(3, 6, 'c', 'a');
    expect(header.duplicates).toEqual([0, 1, 2]);
    expect(recordIndex).toHaveLength(0);
    expect(await started(3, 6, 'b', 'a')).toEqual(first);
  });

  test('are dropped when the next batch says that theirs was scored', async () => {
    await started(0, 3, 'a');
    await started(3, 6, 'b', 'a');
    expect(await rows(0, 3, 'a')).toBe(0);
    // A batch that is only answered changes nothing of that.
    expect(await rows(0, 3, 'x', 'b')).toBe(0);
    expect(await rows(3, 6, 'b', 'a')).toBe(3);
    await started(6, 8, 'c', 'b');
    expect(await rows(3, 6, 'b', 'a')).toBe(0);
  });

  test('stay when the next batch does not say so: their run may not have recorded them', async () => {
    await started(0, 3, 'a');
    const overlapped = await started(3, 6, 'b', 'a');
    expect((await started(4, 8, 'c', 'other')).header.duplicates).toEqual([0, 1]);
    await started(8, 10, 'd', 'c');
    await opened.reopen();
    expect(await started(3, 6, 'b', 'a')).toEqual(overlapped);
    expect(await rows(4, 8, 'c', 'other')).toBe(0);
    expect(await rows(3, 6, 'e', 'a')).toBe(0);
  });

  test('stay also when the next batch has none of their offsets, and none of their partitions', async () => {
    const last = await started(0, 3, 'a');
    await started(3, 6, 'b', 'other');
    const second = await started(3, 6, 'b', 'other');
    await apply(batchOf(0, 4, { partition: 1, startId: 'c' }));
    await opened.reopen();
    expect(await started(0, 3, 'a')).toEqual(last);
    expect(await started(3, 6, 'b', 'other')).toEqual(second);
  });

  test('stay when the chain is walked again over them and there is nothing to apply', async () => {
    await started(0, 3, 'a');
    const overlapped = await started(3, 8, 'b', 'a');
    expect(await rows(2, 5, 'c', 'other')).toBe(0);
    expect(await rows(5, 8, 'd', 'c')).toBe(0);
    await opened.reopen();
    await started(8, 10, 'e', 'd');
    await started(10, 12, 'f', 'e');
    expect(await started(3, 8, 'b', 'a')).toEqual(overlapped);
    expect(await rows(8, 10, 'e', 'd'), 'nobody walked over this one').toBe(0);
  });

  test('are only so many', async () => {
    await started(0, 2, '2');
    for (let end = 3; end <= 9; end++) await started(end - 2, end, `${end}`);
    for (const end of [9, 8, 7, 6, 5]) expect(await rows(end - 2, end, `${end}`), `the batch to ${end}`).toBe(1);
    expect(await rows(2, 4, '4'), 'one too many').toBe(0);
  });

  test('are not displaced by what is folded again without a run, which has none itself', async () => {
    await started(0, 3, 'a');
    const { startId: _none, ...again } = batchOf(3, 6);
    expect((await apply(again)).recordIndex).toHaveLength(3);
    expect((await apply(again)).header.duplicates).toEqual([0, 1, 2]);
    await opened.reopen();
    expect(await rows(0, 3, 'a')).toBe(3);
    await started(6, 8, 'b', 'a');
    expect(await rows(0, 3, 'a'), 'it still was the last one').toBe(0);
  });

  test('are those of each chain and layout apart', async () => {
    const of = (partition: number, startId: string, parts: Partial<BatchRef>) =>
      apply(batchOfRanges([rangeOf(partition, 0, 3)], { startId, ...parts }));
    const kept = [
      ['a', { chain: 0 }],
      ['b', { chain: 1 }],
      ['c', { layout: 1 }],
    ] as const;
    for (const [partition, [startId, parts]] of kept.entries()) await of(partition, startId, parts);
    await apply(batchOfRanges([rangeOf(0, 3, 6)], { startId: 'd', after: 'a' }));
    expect((await of(0, 'a', { chain: 0 })).recordIndex).toHaveLength(0);
    expect((await of(1, 'b', { chain: 1 })).recordIndex).toHaveLength(3);
    expect((await of(2, 'c', { layout: 1 })).recordIndex).toHaveLength(3);
  });
});
