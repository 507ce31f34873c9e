import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { eventKey, partitionOf, type BatchRange, type ChainRef } from '../../contracts/event-key.ts';
import type { DecisionRow, Delivery } from '../../contracts/delivery.ts';

export const topic = { deployment: 'local', pipeline: 'orders', epoch: 0, topic: 'orders' };
export const chain: ChainRef = { ...topic, layout: 0, chain: 3 };

/** A decided event at an offset, with any part replaced. */
export function decisionRow(offset: number, parts: Partial<DecisionRow> = {}): DecisionRow {
  const { partition = 3 } = parts;
  return {
    eventKey: eventKey(partitionOf(topic, partition), offset),
    eventId: `order-${offset}`,
    partition,
    offset,
    recordTimeMs: 1_760_000_000_500,
    headers: undefined,
    eventTimeMs: 1_760_000_000_123,
    entities: { customer: `customer-${offset % 7}`, shop: 'shop "1"' },
    event: { orderId: `order-${offset}`, amount: 12.5, note: 'plain' },
    features: { names: ['amount', 'customer_count_1d'], values: Float32Array.of(12.5, 0.1), from: 0 },
    prediction: { score: Math.fround(0.7), parts: [1, 2] },
    model: { name: 'orders', version: '4' },
    degraded: false,
    late: false,
    outcome: 'approve',
    why: 'score below 0.9',
    ...parts,
  };
}

/** A delivery of these rows, as the deliver activity makes one. */
export function deliveryOf(rows: readonly DecisionRow[], pipeline: Partial<AnyPipeline> = {}): Delivery {
  const partitions = [...new Set(rows.map(({ partition }) => partition))].sort((a, b) => a - b);
  const ranges = partitions.map((partition): BatchRange => {
    const offsets = rows.filter((row) => row.partition === partition).map(({ offset }) => offset);
    return { partition, position: Math.min(...offsets), end: Math.max(...offsets) + 1, count: offsets.length };
  });
  const sequence = Math.min(...ranges.map(({ position }) => position));
  return {
    batch: { ...chain, sequence, ranges, startId: `start-${sequence}` },
    pipeline: { name: 'orders', ...pipeline } as AnyPipeline,
    workflowId: `batch:local:orders:0:orders:0.3:${sequence}`,
    rows,
  };
}
