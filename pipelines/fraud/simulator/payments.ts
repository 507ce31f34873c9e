import { NumpyRandom, PythonRandom } from './random.ts';
import type { Customer } from './world.ts';

/** A simulated card payment, and the truth about it. */
export interface SimulatedPayment {
  /** Seconds since the first day's midnight. */
  second: number;
  day: number;
  customer: number;
  terminal: number;
  amount: number;
  /** 0 = genuine, else why it is a fraud: 1 large amount, 2 compromised terminal, 3 leaked card data. */
  scenario: 0 | 1 | 2 | 3;
}

const secondsPerDay = 86_400;
const noon = 43_200;
const timeDeviation = 20_000;
const largeAmount = 220;

/** One customer's payments, day by day. */
export class Spender {
  readonly #numpy: NumpyRandom;
  readonly #python: PythonRandom;
  #day = 0;

  constructor(
    private readonly id: number,
    private readonly customer: Customer,
  ) {
    this.#numpy = new NumpyRandom(id);
    this.#python = new PythonRandom(id);
  }

  /** Adds the payments of the next day, in the order they are drawn. */
  nextDay(into: SimulatedPayment[]): void {
    const { meanAmount, rate, terminals } = this.customer;
    const day = this.#day++;
    for (let left = this.#numpy.poisson(rate); left > 0; left--) {
      const time = Math.trunc(this.#numpy.normal(noon, timeDeviation));
      if (time <= 0 || time >= secondsPerDay) continue;
      let amount = this.#numpy.normal(meanAmount, meanAmount / 2);
      if (amount < 0) amount = this.#numpy.uniform(0, meanAmount * 2);
      amount = roundHalfEven(amount * 100) / 100;
      if (terminals.length === 0) continue;
      const terminal = this.#python.choice(terminals);
      into.push({
        second: day * secondsPerDay + time,
        day,
        customer: this.id,
        terminal,
        amount,
        scenario: amount > largeAmount ? 1 : 0,
      });
    }
  }
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
