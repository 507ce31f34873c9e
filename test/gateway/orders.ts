import { z } from 'zod';
import { definePipeline } from '../../pipelines/define.ts';

/** A small pipeline for gateway tests. */
export const orders = definePipeline({
  name: 'orders',
  topic: { name: 'orders', partitions: 2, chains: 1 },
  event: z.object({
    orderId: z.string(),
    customer: z.string(),
    amount: z.number().nonnegative(),
    at: z.iso.datetime().transform((text) => Date.parse(text)),
  }),
  eventId: (event) => event.orderId,
  eventTimeMs: (event) => event.at,
  entities: { customer: (event) => event.customer },
  features: ({ value, count }) => ({
    amount: value((event) => event.amount),
    customer_count_1d: count({ entity: 'customer', lengthMs: 86_400_000 }),
  }),
  model: { name: 'orders', input: 'features', outputs: { score: 1 } },
  outcomes: ['approve', 'review'],
  decide: ({ event }) =>
    event.amount > 100 ? { outcome: 'review', why: 'much' } : { outcome: 'approve', why: 'little' },
  sinks: [{ sink: 'dashboard' }, { sink: 'review', when: ({ outcome }) => outcome === 'review' }],
  review: { verdicts: ['fraud', 'genuine'], timeoutMs: 60_000, title: (event) => `order of ${event.amount}` },
});

/** The same under another name, reading another topic. */
export const returns = { ...orders, name: 'returns', topic: { name: 'returns', partitions: 1, chains: 1 } };

/** A raw event that `orders` accepts. */
export function orderEvent(id: string, parts: Record<string, unknown> = {}): Record<string, unknown> {
  return { orderId: id, customer: 'customer-7', amount: 12.5, at: '2026-01-02T03:04:05.000Z', ...parts };
}
