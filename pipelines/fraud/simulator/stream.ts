import { setImmediate } from 'node:timers/promises';
import { toEvent, type PaymentEvent } from './payment-event.ts';
import type { SimulatedPayment } from './payments.ts';
import type { Progress } from './progress.ts';
import { sleep } from '../../../lib/sleep.ts';

export interface StreamOptions {
  days: Iterable<readonly SimulatedPayment[]>;
  /** Events per second. */
  rate: number;
  /** Resolves once the events are durable. */
  publish: (events: readonly PaymentEvent[]) => Promise<void>;
  progress: Progress;
  /** Told after each publication how many events it had. */
  onPublished: (count: number) => void;
  /** Told of each failed publication; the same events are tried again. */
  onFailed: (error: unknown) => void;
  signal: AbortSignal;
}

const tickMs = 20;
const retryMs = 1_000;
/** At most this many go at once, however far behind the rate the stream is. */
const eventsMax = 2_000;
/** What could not be sent while Kafka was away is not made up for beyond this. */
const debtSecondsMax = 1;

/** Publishes payments in time order at a steady rate, from where the progress says, until aborted or the days end. */
export async function streamPayments(options: StreamOptions): Promise<void> {
  const { days, rate, progress, signal } = options;
  const begin = progress.published();
  const pace = new Pace(rate);
  let index = 0;
  for (const payments of days) {
    // A day takes a while to simulate: whatever else waits gets its turn.
    await setImmediate();
    let at = Math.max(0, Math.min(payments.length, begin - index));
    while (at < payments.length && !signal.aborted) {
      const due = Math.min(pace.due(), payments.length - at, eventsMax);
      if (due === 0) {
        await sleep(tickMs, signal);
        continue;
      }
      const events = payments.slice(at, at + due).map((payment, i) => toEvent(payment, index + at + i));
      if (!(await publishUntilDone(options, events))) return;
      at += due;
      pace.sent(due);
      progress.save(index + at);
    }
    if (signal.aborted) return;
    index += payments.length;
  }
}

/** Returns false when the stream was aborted before the events were published. */
async function publishUntilDone(
  { publish, onPublished, onFailed, signal }: StreamOptions,
  events: readonly PaymentEvent[],
): Promise<boolean> {
  while (!signal.aborted) {
    try {
      await publish(events);
      onPublished(events.length);
      return true;
    } catch (error) {
      onFailed(error);
      await sleep(retryMs, signal);
    }
  }
  return false;
}

/** How many events are due now. */
class Pace {
  #fromMs = performance.now();
  #sent = 0;

  constructor(private readonly rate: number) {}

  due(): number {
    const seconds = (performance.now() - this.#fromMs) / 1_000;
    const behind = seconds * this.rate - this.#sent;
    if (behind > this.rate * debtSecondsMax) {
      this.#fromMs = performance.now() - debtSecondsMax * 1_000;
      this.#sent = 0;
      return Math.max(1, Math.floor(this.rate * debtSecondsMax));
    }
    return Math.floor(behind);
  }

  sent(count: number): void {
    this.#sent += count;
  }
}
