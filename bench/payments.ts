import { toEvent, type PaymentEvent } from '../pipelines/fraud/simulator/payment-event.ts';
import { simulateDays } from '../pipelines/fraud/simulator/simulate.ts';
import { bookWorld } from '../pipelines/fraud/simulator/world.ts';

/** The first payments of the simulated world, in time order: 5,000 customers, 10,000 terminals, about 9,600 payments a day. */
export function* simulatedPayments(count: number): Generator<PaymentEvent, void> {
  let index = 0;
  for (const day of simulateDays({ ...bookWorld, days: Infinity })) {
    for (const payment of day) {
      if (index === count) return;
      yield toEvent(payment, index++);
    }
  }
}

/** A Kafka message of a payment, as the simulator sends it. */
export function paymentMessage(event: PaymentEvent): { key: string; value: string } {
  return { key: event.customerId, value: JSON.stringify(event) };
}
