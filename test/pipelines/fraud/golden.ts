import { createHash } from 'node:crypto';
import type { SimulatedPayment } from '../../../pipelines/fraud/simulator/payments.ts';

/** The line of a payment that the golden hashes are made of. */
export function canonicalLine({ second, customer, terminal, amount, scenario }: SimulatedPayment): string {
  return `${second},${customer},${terminal},${amount.toFixed(2)},${scenario > 0 ? 1 : 0},${scenario}\n`;
}

/** What the tests know of a whole simulated world. */
export function summarise(days: Iterable<readonly SimulatedPayment[]>) {
  const hash = createHash('sha256');
  const customers = new Set<number>();
  const terminals = new Set<number>();
  const scenarios = [0, 0, 0, 0];
  let cents = 0;
  let last = '';
  for (const payments of days) {
    for (const payment of payments) {
      last = canonicalLine(payment);
      hash.update(last);
      customers.add(payment.customer);
      terminals.add(payment.terminal);
      scenarios[payment.scenario]!++;
      cents += Math.round(payment.amount * 100);
    }
  }
  return { hash: hash.digest('hex'), customers: customers.size, terminals: terminals.size, scenarios, cents, last };
}
