import type { BatchRef } from '../contracts/event-key.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';
import { paymentMessage, simulatedPayments } from './payments.ts';

/** Simulated payments as records of one partition, with offsets from 0. */
export function paymentRecords(count: number): KafkaRecord[] {
  const timestampMs = Date.now();
  return Array.from(simulatedPayments(count), (payment, offset) => {
    const { key, value } = paymentMessage(payment);
    return { offset, timestampMs, key: Buffer.from(key), value: Buffer.from(value) };
  });
}

/** A batch of that partition. */
export function batchRef(position: number, count: number): BatchRef {
  return {
    deployment: 'bench',
    pipeline: 'fraud',
    epoch: 0,
    topic: 'bench',
    partition: 0,
    position,
    end: position + count,
    count,
    ...(position === 0 && { head: true }),
  };
}
