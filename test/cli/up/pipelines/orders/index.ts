import { z } from 'zod';
import { definePipeline } from '../../../../../index.ts';

const order = z.object({ id: z.string(), shop: z.string(), amount: z.number(), at: z.number() });

/** A small pipeline that decides without its model, so that `up` can be tried without one. */
export default definePipeline({
  name: 'orders',
  topic: { name: 'orders', partitions: 2 },
  event: order,
  eventId: (event) => event.id,
  eventTimeMs: (event) => event.at,
  entities: { shop: (event) => event.shop },
  features: ({ value, count }) => ({
    amount: value((event) => event.amount),
    orders: count({ entity: 'shop', lengthMs: 60_000 }),
  }),
  model: { name: 'absent', input: 'x', outputs: { score: 1 }, fallback: () => ({ score: 0.5 }) },
  outcomes: ['small', 'big'],
  decide: ({ event }) => ({ outcome: event.amount > 50 ? 'big' : 'small', why: 'amount' }),
  sinks: [{ sink: 'dashboard' }],
});
