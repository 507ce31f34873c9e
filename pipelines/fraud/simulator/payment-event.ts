import type { SimulatedPayment } from './payments.ts';
import { firstDayMs } from './world.ts';

/** A payment as it is published. The truth about it is not: nobody knows it at that time. */
export interface PaymentEvent {
  transactionId: string;
  eventTime: string;
  customerId: string;
  terminalId: string;
  amount: number;
}

/** @param index how many payments were simulated before this one */
export function toEvent({ second, customer, terminal, amount }: SimulatedPayment, index: number): PaymentEvent {
  return {
    transactionId: `tx-${index}`,
    eventTime: new Date(firstDayMs + second * 1_000).toISOString(),
    customerId: `customer-${customer}`,
    terminalId: `terminal-${terminal}`,
    amount: Math.round(amount * 100) / 100,
  };
}
