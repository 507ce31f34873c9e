import { z } from 'zod';
import { definePipeline } from '../../index.ts';

/** The event of the live tests' pipeline. */
export interface Payment {
  id: string;
  account: string;
  amount: number;
  /** Milliseconds since 1970. */
  at: number;
}

export const windowMs = 3_600_000;
export const allowedLatenessMs = 86_400_000;
const reviewAbove = 74_300;
const blockAbove = 75_200;

/** A pipeline over the `linear` model (y = x0 + 2 x1 + 4 x2 + bias), whose every decision a test can recompute by hand. */
export function paymentsPipeline({
  name,
  topic,
  partitions = 2,
  chains = 1,
  sinks = ['lake', 'dashboard', 'decisions', 'review'],
}: {
  name: string;
  topic: string;
  partitions?: number;
  chains?: number;
  sinks?: string[];
}) {
  const amount = { name: 'amount', read: (event: Payment) => event.amount };
  const all = [
    { sink: 'lake' },
    { sink: 'dashboard' },
    { sink: 'decisions' },
    { sink: 'review', when: ({ outcome }: { outcome: string }) => outcome === 'review' },
  ];
  return definePipeline({
    name,
    topic: { name: topic, partitions, chains },
    event: z.object({ id: z.string(), account: z.string(), amount: z.number(), at: z.number() }),
    eventId: (event) => event.id,
    eventTimeMs: (event) => event.at,
    entities: { account: (event) => event.account },
    allowedLatenessMs,
    features: ({ value, count, sum }) => ({
      amount: value((event) => event.amount),
      count_1h: count({ entity: 'account', lengthMs: windowMs }),
      sum_1h: sum(amount, { entity: 'account', lengthMs: windowMs }),
    }),
    model: { name: 'linear', input: 'x', outputs: { y: 1 } },
    outcomes: ['approve', 'review', 'block'],
    decide: ({ prediction }) => decide(Number(prediction['y'])),
    sinks: all.filter(({ sink }) => sinks.includes(sink)),
    review: { verdicts: ['fraud', 'legitimate'], timeoutMs: 3_600_000, title: (event) => `payment ${event.id}` },
  });
}

export function decide(y: number): { outcome: 'approve' | 'review' | 'block'; why: string } {
  if (y > blockAbove) return { outcome: 'block', why: 'far too much' };
  if (y > reviewAbove) return { outcome: 'review', why: 'a lot' };
  return { outcome: 'approve', why: 'usual' };
}
