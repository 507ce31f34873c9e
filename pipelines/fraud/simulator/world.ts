import { NumpyRandom } from './random.ts';

/** Size of the simulated world. */
export interface WorldConfig {
  customers: number;
  terminals: number;
  /** Days until the world ends; Infinity = it goes on. */
  days: number;
  /** How far customers travel, on a map of 100 by 100. */
  radius: number;
  /** How many terminals are compromised each day, for 28 days each. */
  compromisedTerminalsPerDay: number;
  /** How many customers' card data leak each day; a third of their payments of 14 days are then frauds. */
  leakedCustomersPerDay: number;
}

/** The world of the Fraud Detection Handbook (Le Borgne, Siblini, Lebichot, Bontempi; ULB 2022). */
export const bookWorld: WorldConfig = {
  customers: 5_000,
  terminals: 10_000,
  days: 183,
  radius: 5,
  compromisedTerminalsPerDay: 2,
  leakedCustomersPerDay: 3,
};

/** Midnight before the first simulated day, a Sunday. Milliseconds since 1970. */
export const firstDayMs = Date.UTC(2018, 3, 1);

export interface Customer {
  x: number;
  y: number;
  meanAmount: number;
  /** Payments per day. */
  rate: number;
  /** Ids of the terminals within reach, ascending. */
  terminals: Uint32Array;
}

/** The customers of a world and the terminals they use. The same ones for the same sizes. */
export function createCustomers({ customers, terminals, radius }: WorldConfig): Customer[] {
  const customerRandom = new NumpyRandom(0);
  const people = Array.from({ length: customers }, () => ({
    x: customerRandom.uniform(0, 100),
    y: customerRandom.uniform(0, 100),
    meanAmount: customerRandom.uniform(5, 100),
    rate: customerRandom.uniform(0, 4),
  }));
  const terminalRandom = new NumpyRandom(1);
  const terminalX = new Float64Array(terminals);
  const terminalY = new Float64Array(terminals);
  for (let i = 0; i < terminals; i++) {
    terminalX[i] = terminalRandom.uniform(0, 100);
    terminalY[i] = terminalRandom.uniform(0, 100);
  }
  return people.map((person) => {
    const near: number[] = [];
    for (let i = 0; i < terminals; i++) {
      const dx = terminalX[i]! - person.x;
      const dy = terminalY[i]! - person.y;
      if (Math.sqrt(dx * dx + dy * dy) < radius) near.push(i);
    }
    return { ...person, terminals: Uint32Array.from(near) };
  });
}
