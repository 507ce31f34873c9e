import { definePipeline } from 'headrace';
import { z } from 'zod';

const day = 86_400_000;
const hour = 3_600_000;

/** From this score on a payment waits for a person, about 1 in 100. Scores are probabilities, and fraud is rare. */
export const reviewScoreMin = 0.016;
/** From this score on a payment is stopped, about 3 in 1,000. */
export const blockScoreMin = 0.2;

const payment = z.object({
  transactionId: z.string().min(1).max(100),
  eventTime: z.iso.datetime({ offset: true }),
  customerId: z.string().min(1).max(100),
  terminalId: z.string().min(1).max(100),
  amount: z.number().nonnegative().max(1_000_000_000),
});
type Payment = z.output<typeof payment>;

const eventTimeMs = (event: Payment) => Date.parse(event.eventTime);
const amount = { name: 'amount', read: (event: Payment) => event.amount };
const customer = (days: number) => ({ entity: 'customer' as const, lengthMs: days * day });
const terminal = (days: number) => ({ entity: 'terminal' as const, lengthMs: days * day });

/** Saturday and Sunday, UTC. */
function duringWeekend(event: Payment): number {
  // 1970 began on a Thursday.
  const daysSinceSaturday = (Math.floor(eventTimeMs(event) / day) + 5) % 7;
  return daysSinceSaturday < 2 ? 1 : 0;
}

/** Midnight to 06:59:59, UTC. */
function duringNight(event: Payment): number {
  return eventTimeMs(event) % day < 7 * hour ? 1 : 0;
}

/**
 * Card payments, scored against what the customer and the terminal did during the last day, week and month. Events come from
 * `simulator/`; how the model was made is in models/fraud.
 */
export default definePipeline({
  name: 'fraud',
  topic: { name: 'transactions', partitions: 4 },
  event: payment,
  eventId: (event) => event.transactionId,
  eventTimeMs,
  entities: { customer: (event) => event.customerId, terminal: (event) => event.terminalId },
  allowedLatenessMs: day,
  // The simulation has its own calendar, and after some days of running it is ahead of ours.
  allowedAheadMs: Infinity,
  features: ({ value, count, mean }) => ({
    amount: value((event) => event.amount),
    during_weekend: value(duringWeekend),
    during_night: value(duringNight),
    customer_count_1d: count(customer(1)),
    customer_count_7d: count(customer(7)),
    customer_count_30d: count(customer(30)),
    customer_mean_amount_1d: mean(amount, customer(1)),
    customer_mean_amount_7d: mean(amount, customer(7)),
    customer_mean_amount_30d: mean(amount, customer(30)),
    terminal_count_1d: count(terminal(1)),
    terminal_count_7d: count(terminal(7)),
    terminal_count_30d: count(terminal(30)),
    terminal_mean_amount_1d: mean(amount, terminal(1)),
    terminal_mean_amount_7d: mean(amount, terminal(7)),
    terminal_mean_amount_30d: mean(amount, terminal(30)),
  }),
  model: { name: 'fraud', input: 'features', outputs: { score: 1 } },
  outcomes: ['approve', 'review', 'block'],
  decide({ prediction }) {
    const score = prediction['score'] as number;
    if (score >= blockScoreMin) return { outcome: 'block', why: 'score in the block band' };
    if (score >= reviewScoreMin) return { outcome: 'review', why: 'score in the review band' };
    return { outcome: 'approve', why: 'score below the review band' };
  },
  sinks: [
    { sink: 'lake' },
    { sink: 'dashboard' },
    { sink: 'decisions' },
    { sink: 'review', when: ({ outcome }) => outcome === 'review' },
  ],
  review: {
    verdicts: ['fraud', 'legitimate'],
    timeoutMs: 4 * hour,
    title: (event) => `Payment ${event.transactionId}, amount ${event.amount.toFixed(2)}`,
    // What is lost, on average, when nobody looks.
    value: ({ event, prediction }) => event.amount * (prediction['score'] as number),
  },
});
