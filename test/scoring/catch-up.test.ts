import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { beforeEach, describe, expect, test } from 'vitest';
import { CatchUp } from '../../scoring/catch-up.ts';
import type { RecordsPort } from '../../scoring/ports.ts';
import { partitionOf, type BatchRef } from '../../contracts/event-key.ts';
import { MemoryStore, type FeatureStore } from '../../features/index.ts';
import { oneRange } from '../contracts/one-range.ts';

const topic = { deployment: 'local', pipeline: 'orders', epoch: 0, topic: 'orders' };
const partition3 = partitionOf(topic, 3);
const batchOf = (position: number, end: number, parts: { first?: true } = {}): BatchRef =>
  oneRange(topic, { partition: 3, position, count: end - position, ...parts });

/** A topic whose log can be read in pieces of five records. */
const records: Pick<RecordsPort, 'read'> = {
  async *read(_topic, _partition, from, to) {
    for (let at = from; at < to; at += 5) {
      const end = Math.min(to, at + 5);
      yield await Promise.resolve({
        end,
        records: Array.from({ length: end - at }, (_, i) => ({
          offset: at + i,
          timestampMs: 0,
          key: null,
          value: null,
        })),
      });
    }
  },
};

describe('catching up', () => {
  let nowMs: number;
  let store: FeatureStore;
  let catchUp: CatchUp;
  let alarms: string[];
  beforeEach(() => {
    nowMs = 1_000_000;
    store = new MemoryStore();
    catchUp = new CatchUp(store, records, () => nowMs);
    alarms = [];
  });

  const apply = (batch: BatchRef) =>
    store.apply(batch, ({ refusals }) => ({
      result: new Uint8Array(),
      states: new Map(),
      watermarks: batch.ranges.map(() => ({ watermarkMs: null })),
      refusals,
      retentions: [],
    }));
  const askAfter = (ms: number, batch: BatchRef): Promise<boolean> => {
    nowMs += ms;
    const context = { log: { error: (message: string) => void alarms.push(message) } } as unknown as Context;
    return asyncLocalStorage.run(context, () => catchUp.bringUpTo(batch, batch.ranges.at(-1)!, apply));
  };

  test('waits ten seconds for the predecessor, then folds what is missing, loudly', async () => {
    await apply(batchOf(0, 5, { first: true }));
    expect(await askAfter(0, batchOf(17, 20))).toBe(false);
    expect(await askAfter(9_999, batchOf(17, 20))).toBe(false);
    expect(store.appliedTo(partition3)).toBe(5);
    expect(alarms).toEqual([]);
    expect(await askAfter(1, batchOf(17, 20))).toBe(true);
    expect(store.appliedTo(partition3)).toBe(17);
    expect(alarms).toHaveLength(1);
  });

  test('waits anew when the predecessor came by itself in between', async () => {
    await apply(batchOf(0, 5, { first: true }));
    expect(await askAfter(0, batchOf(10, 15))).toBe(false);
    await apply(batchOf(5, 10));
    await apply(batchOf(10, 15));
    expect(await askAfter(20_000, batchOf(20, 25))).toBe(false);
    expect(store.appliedTo(partition3)).toBe(15);
    expect(await askAfter(10_000, batchOf(20, 25))).toBe(true);
  });

  test('waits anew when the batch itself has not asked for a minute', async () => {
    expect(await askAfter(0, batchOf(10, 15))).toBe(false);
    expect(await askAfter(60_001, batchOf(10, 15))).toBe(false);
    expect(await askAfter(60_000, batchOf(10, 15))).toBe(true);
  });

  test('goes on in the next attempt with work that took too long', async () => {
    await apply(batchOf(0, 5, { first: true }));
    const slowApply = (batch: BatchRef) => {
      nowMs += 15_001;
      return apply(batch);
    };
    expect(await askAfter(0, batchOf(15, 20))).toBe(false);
    nowMs += 10_000;
    const context = { log: { error: () => undefined } } as unknown as Context;
    expect(
      await asyncLocalStorage.run(context, () =>
        catchUp.bringUpTo(batchOf(15, 20), batchOf(15, 20).ranges[0]!, slowApply),
      ),
    ).toBe(false);
    expect(store.appliedTo(partition3)).toBe(10);
    expect(await askAfter(5_000, batchOf(15, 20))).toBe(true);
  });

  test('brings up the partition that is behind, and no other; its batches have no start', async () => {
    const begun = batchOf(0, 5, { first: true });
    await apply({ ...begun, ranges: [...begun.ranges, { partition: 4, position: 0, end: 2, count: 2, first: true }] });
    const applied: BatchRef[] = [];
    const behind = { partition: 4, position: 9, end: 12, count: 3 };
    const batch = { ...batchOf(5, 8), ranges: [...batchOf(5, 8).ranges, behind] };
    const ask = () =>
      asyncLocalStorage.run({ log: { error: () => undefined } } as unknown as Context, () =>
        catchUp.bringUpTo(batch, behind, (each, records) => {
          expect(records.every(({ partition }) => partition === 4)).toBe(true);
          applied.push(each);
          return apply(each);
        }),
      );
    expect(await ask()).toBe(false);
    nowMs += 10_000;
    expect(await ask()).toBe(true);
    expect([store.appliedTo(partition3), store.appliedTo(partitionOf(topic, 4))]).toEqual([5, 9]);
    expect(applied.map(({ ranges, startId }) => [startId, ranges])).toEqual([
      [undefined, [{ partition: 4, position: 2, end: 7, count: 5 }]],
      [undefined, [{ partition: 4, position: 7, end: 9, count: 2 }]],
    ]);
  });
});
