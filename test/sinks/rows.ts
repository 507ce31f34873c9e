import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { eventKey } from '../../contracts/event-key.ts';
import type { DecisionRow, Delivery } from '../../contracts/delivery.ts';

export const chain = { deployment: 'local', pipeline: 'orders', epoch: 0, topic: 'orders', partition: 3 };

/** A decided event at an offset, with any part replaced. */
export function decisionRow(offset: number, parts: Partial<DecisionRow> = {}): DecisionRow {
  return {
    eventKey: eventKey(chain, offset),
    eventId: `order-${offset}`,
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
  const offsets = rows.map((row) => row.offset);
  const position = Math.min(...offsets);
  const end = Math.max(...offsets) + 1;
  return {
    batch: { ...chain, position, end, count: rows.length },
    pipeline: { name: 'orders', ...pipeline } as AnyPipeline,
    workflowId: `batch:local:orders:0:orders:3:${position}`,
    rows,
  };
}
