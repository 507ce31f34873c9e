import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { beforeEach, describe, expect, test } from 'vitest';
import { CatchUp } from '../../scoring/catch-up.ts';
import type { RecordsPort } from '../../scoring/ports.ts';
import { chainId, type BatchRef } from '../../contracts/event-key.ts';
import { MemoryStore, type FeatureStore } from '../../features/index.ts';

const chain = { deployment: 'local', pipeline: 'orders', epoch: 0, topic: 'orders', partition: 3 };
const batchOf = (position: number, end: number, parts: Partial<BatchRef> = {}): BatchRef => ({
  ...chain,
  position,
  end,
  count: end - position,
  ...parts,
});

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
    store.apply(batch, ({ watermarkMs, refusals }) => ({
      result: new Uint8Array(),
      states: new Map(),
      watermarkMs,
      refusals,
      retentions: [],
    }));
  const askAfter = (ms: number, batch: BatchRef): Promise<boolean> => {
    nowMs += ms;
    const context = { log: { error: (message: string) => void alarms.push(message) } } as unknown as Context;
    return asyncLocalStorage.run(context, () => catchUp.bringUpTo(batch, chainId(batch), apply));
  };

  test('waits ten seconds for the predecessor, then folds what is missing, loudly', async () => {
    await apply(batchOf(0, 5, { head: true }));
    expect(await askAfter(0, batchOf(17, 20))).toBe(false);
    expect(await askAfter(9_999, batchOf(17, 20))).toBe(false);
    expect(store.appliedTo(chain)).toBe(5);
    expect(alarms).toEqual([]);
    expect(await askAfter(1, batchOf(17, 20))).toBe(true);
    expect(store.appliedTo(chain)).toBe(17);
    expect(alarms).toHaveLength(1);
  });

  test('waits anew when the predecessor came by itself in between', async () => {
    await apply(batchOf(0, 5, { head: true }));
    expect(await askAfter(0, batchOf(10, 15))).toBe(false);
    await apply(batchOf(5, 10));
    await apply(batchOf(10, 15));
    expect(await askAfter(20_000, batchOf(20, 25))).toBe(false);
    expect(store.appliedTo(chain)).toBe(15);
    expect(await askAfter(10_000, batchOf(20, 25))).toBe(true);
  });

  test('waits anew when the batch itself has not asked for a minute', async () => {
    expect(await askAfter(0, batchOf(10, 15))).toBe(false);
    expect(await askAfter(60_001, batchOf(10, 15))).toBe(false);
    expect(await askAfter(60_000, batchOf(10, 15))).toBe(true);
  });

  test('goes on in the next attempt with work that took too long', async () => {
    await apply(batchOf(0, 5, { head: true }));
    const slowApply = (batch: BatchRef) => {
      nowMs += 15_001;
      return apply(batch);
    };
    expect(await askAfter(0, batchOf(15, 20))).toBe(false);
    nowMs += 10_000;
    const context = { log: { error: () => undefined } } as unknown as Context;
    expect(
      await asyncLocalStorage.run(context, () => catchUp.bringUpTo(batchOf(15, 20), chainId(chain), slowApply)),
    ).toBe(false);
    expect(store.appliedTo(chain)).toBe(10);
    expect(await askAfter(5_000, batchOf(15, 20))).toBe(true);
  });
});
