import type { BatchRef } from '../contracts/event-key.ts';
import type { BatchRecord } from '../contracts/records-frame.ts';
import { paymentMessage, simulatedPayments } from './payments.ts';

/** Simulated payments as records of one partition, with offsets from 0. */
export function paymentRecords(count: number): BatchRecord[] {
  const timestampMs = Date.now();
  return Array.from(simulatedPayments(count), (payment, offset) => {
    const { key, value } = paymentMessage(payment);
    return { partition: 0, offset, timestampMs, key: Buffer.from(key), value: Buffer.from(value) };
  });
}

/** A batch of that partition, of those that all have so many records. */
export function batchRef(position: number, count: number): BatchRef {
  return {
    deployment: 'bench',
    pipeline: 'fraud',
    epoch: 0,
    topic: 'bench',
    layout: 0,
    chain: 0,
    sequence: position / count,
    ranges: [{ partition: 0, position, end: position + count, count, ...(position === 0 && { first: true }) }],
    startId: `start-${position}`,
    ...(position > 0 && { after: `start-${position - count}` }),
  };
}
