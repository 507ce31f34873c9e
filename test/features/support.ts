import { z } from 'zod';
import type { BatchRange, BatchRef } from '../../contracts/event-key.ts';
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

/** A range that begins a partition where its position is 0. */
export function rangeOf(partition: number, position: number, end: number, first = position === 0): BatchRange {
  return { partition, position, end, count: end - position, ...(first ? { first: true } : {}) };
}

/** A batch of these ranges. By default equal ones are one start, and nothing is known of the one before it. */
export function batchOfRanges(ranges: BatchRange[], parts: Partial<BatchRef> = {}): BatchRef {
  return {
    deployment: 'test',
    pipeline: 'payments',
    epoch: 0,
    topic: 'payments',
    layout: 0,
    chain: 0,
    sequence: 0,
    ranges,
    startId: ranges.map(({ partition, position, end }) => `${partition}.${position}-${end}`).join(),
    ...parts,
  };
}

/** A batch of one range. */
export function batchOf(
  position: number,
  end: number,
  { partition = 0, first, ...parts }: { partition?: number; first?: boolean } & Partial<BatchRef> = {},
): BatchRef {
  return batchOfRanges([rangeOf(partition, position, end, first)], parts);
}

/** The events of a batch's ranges, given all events by offset; those of each partition, or the same for all. */
export function eventsOf(log: readonly Payment[] | readonly (readonly Payment[])[], { ranges }: BatchRef): FoldEvent[] {
  const logs = log as readonly (Payment | readonly Payment[])[];
  const events = ranges.flatMap(({ partition, position, end }) => {
    const ofPartition = Array.isArray(logs[0]) ? (logs[partition] as readonly Payment[]) : (log as readonly Payment[]);
    return ofPartition.slice(position, end).map((event, i) => ({ event, offset: position + i }));
  });
  return events.map(({ event, offset }, recordIndex) => ({
    recordIndex,
    offset,
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
  log: Parameters<typeof eventsOf>[0],
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

type Row = { row: number[]; late: boolean };

/** The rows of a features frame by `partition:offset`, late ones marked. */
export function rowsByPlace({ header, recordIndex, values }: Features): Map<string, Row> {
  const width = header.names.length;
  const places = header.batch.ranges.flatMap(({ partition, position, count }) =>
    Array.from({ length: count }, (_, i) => `${partition}:${position + i}`),
  );
  return new Map(
    Array.from(recordIndex, (index, row) => [
      places[index]!,
      { row: [...values.subarray(row * width, (row + 1) * width)], late: header.late.includes(row) },
    ]),
  );
}

/** Those of a batch of one range by offset. */
export function rowsByOffset(features: Features): Map<number, Row> {
  return new Map([...rowsByPlace(features)].map(([place, row]) => [Number(place.split(':')[1]), row]));
}
