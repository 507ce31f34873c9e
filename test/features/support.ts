import { z } from 'zod';
import type { BatchRef } from '../../contracts/event-key.ts';
import { decodeFeatures, type Features } from '../../contracts/features-frame.ts';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { foldBatch, type FeaturePlan, type FeatureStore, type FoldEvent } from '../../features/index.ts';
import { definePipeline } from '../../index.ts';

export interface Payment {
  id: string;
  timeMs: number;
  card: string;
  shop: string;
  amount: number;
  /** What the time was when it came. */
  clockMs?: number;
}

export const latenessMs = 20_000;
const amount = { name: 'amount', read: (payment: Payment) => payment.amount };

/** Small windows, one of them delayed, over two entities that cross. */
export const payments: AnyPipeline = definePipeline({
  name: 'payments',
  topic: { name: 'payments' },
  event: z.object({ id: z.string(), timeMs: z.number(), card: z.string(), shop: z.string(), amount: z.number() }),
  eventId: (payment) => payment.id,
  eventTimeMs: (payment) => payment.timeMs,
  entities: { card: (payment) => payment.card, shop: (payment) => payment.shop },
  allowedLatenessMs: latenessMs,
  features: ({ value, count, sum, mean }) => ({
    amount: value((payment) => payment.amount),
    card_count: count({ entity: 'card', lengthMs: 10_000 }),
    card_mean: mean(amount, { entity: 'card', lengthMs: 10_000 }),
    shop_sum: sum(amount, { entity: 'shop', lengthMs: 30_000, delayMs: 5_000 }),
    card_count_long: count({ entity: 'card', lengthMs: 40_000 }),
    shop_count: count({ entity: 'shop', lengthMs: 7_500 }),
  }),
  model: { name: 'none', input: 'features', outputs: { score: 1 } },
  outcomes: ['ok'],
  decide: () => ({ outcome: 'ok', why: 'always' }),
  sinks: [],
});

export function batchOf(position: number, end: number, { partition = 0, head = position === 0 } = {}): BatchRef {
  return {
    deployment: 'test',
    pipeline: 'payments',
    epoch: 0,
    topic: 'payments',
    partition,
    position,
    end,
    count: end - position,
    ...(head ? { head: true } : {}),
  };
}

/** The events of `[position, end)`, given all events of the partition by offset. */
export function eventsOf(log: readonly Payment[], { position, end }: { position: number; end: number }): FoldEvent[] {
  return log.slice(position, end).map((event, recordIndex) => ({
    recordIndex,
    offset: position + recordIndex,
    event,
    eventTimeMs: event.timeMs,
    clockMs: event.clockMs,
    entityKeys: [event.card, event.shop],
  }));
}

/** Applies one batch of a log and reads its features. */
export async function applyRange(
  store: FeatureStore,
  plan: FeaturePlan,
  log: readonly Payment[],
  batch: BatchRef,
): Promise<Features> {
  const events = eventsOf(log, batch);
  const result = await store.apply(
    batch,
    foldBatch(
      plan,
      batch,
      events.map(({ offset }) => offset),
      events,
      [],
    ),
  );
  return decodeFeatures(result);
}

/** The rows of a features frame by offset, late ones marked. */
export function rowsByOffset({ header, recordIndex, values }: Features): Map<number, { row: number[]; late: boolean }> {
  const width = header.names.length;
  return new Map(
    Array.from(recordIndex, (index, row) => [
      header.batch.position + index,
      { row: [...values.subarray(row * width, (row + 1) * width)], late: header.late.includes(row) },
    ]),
  );
}
