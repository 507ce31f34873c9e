import { Spender, type SimulatedPayment } from './payments.ts';
import { NumpyRandom, PythonRandom } from './random.ts';
import { createCustomers, type WorldConfig } from './world.ts';

const compromisedDays = 28;
const leakedDays = 14;
const leakedFactor = 5;

/**
 * The payments of a world, one day at a time, each day in time order. Only as many days ahead are computed as a leak of card data
 * reaches, so the first day is there at once and memory does not grow.
 */
export function* simulateDays(config: WorldConfig): Generator<SimulatedPayment[], void> {
  const spenders = createCustomers(config).map((customer, id) => new Spender(id, customer));
  /** Days from the current one on. */
  const ahead: SimulatedPayment[][] = [];
  const compromised: Set<number>[] = [];
  let computedDays = 0;
  for (let day = 0; day < config.days; day++) {
    while (computedDays < Math.min(day + leakedDays, config.days)) {
      ahead.push(nextDay(spenders));
      computedDays++;
    }
    // Nothing begins on the last day.
    const begins = day < config.days - 1;
    compromised.push(new Set(begins ? pickIds(day, config.terminals, config.compromisedTerminalsPerDay) : []));
    if (compromised.length > compromisedDays) compromised.shift();
    markCompromised(ahead[0]!, compromised);
    if (begins) leak(day, ahead, new Set(pickIds(day, config.customers, config.leakedCustomersPerDay)));
    yield ahead.shift()!;
  }
}

function nextDay(spenders: readonly Spender[]): SimulatedPayment[] {
  const payments: SimulatedPayment[] = [];
  for (const spender of spenders) spender.nextDay(payments);
  return payments.sort((a, b) => a.second - b.second);
}

/** The ids that a day's misfortune hits. */
function pickIds(day: number, count: number, picked: number): Uint32Array {
  return new NumpyRandom(day).permutation(count).subarray(0, picked);
}

function markCompromised(payments: readonly SimulatedPayment[], compromised: readonly ReadonlySet<number>[]): void {
  for (const payment of payments) {
    // A leak of card data outranks a compromised terminal, and may have been decided days before.
    if (payment.scenario !== 3 && compromised.some((terminals) => terminals.has(payment.terminal)))
      payment.scenario = 2;
  }
}

/** A third of the customers' payments of the next days become frauds of five times the amount; some are hit more than once. */
function leak(day: number, ahead: readonly SimulatedPayment[][], customers: ReadonlySet<number>): void {
  const payments = ahead.flatMap((payments) => payments.filter(({ customer }) => customers.has(customer)));
  for (const payment of new PythonRandom(day).sample(payments, Math.floor(payments.length / 3))) {
    payment.amount *= leakedFactor;
    payment.scenario = 3;
  }
}
