import { expect, test } from 'vitest';
import { paymentMessage, simulatedPayments } from '../../bench/payments.ts';
import { batchRef, paymentRecords } from '../../bench/records.ts';
import pipeline from '../../pipelines/fraud/index.ts';
import { decodeEvents } from '../../pipelines/decode-event.ts';

test("payments are the simulator's, in time order, the same ones each time, and all pass the pipeline's schema", () => {
  const payments = [...simulatedPayments(12_000)];
  expect(payments).toHaveLength(12_000);
  expect(payments.slice(0, 50)).toEqual([...simulatedPayments(50)]);
  expect(new Set(payments.map(({ transactionId }) => transactionId)).size).toBe(12_000);
  expect(new Set(payments.map(({ customerId }) => customerId)).size).toBeGreaterThan(3_500);
  expect(payments.every(({ eventTime }, i) => i === 0 || eventTime >= payments[i - 1]!.eventTime)).toBe(true);
  expect(paymentMessage(payments[0]!).key).toBe(payments[0]!.customerId);

  const { events, rejections } = decodeEvents(pipeline, paymentRecords(3_000), { clockMs: Date.now() });
  expect(rejections).toEqual([]);
  expect(events.map(({ offset }) => offset)).toEqual(Array.from({ length: 3_000 }, (_, i) => i));
});

test('batches of the bench follow one another', () => {
  expect(batchRef(0, 10)).toMatchObject({ sequence: 0, ranges: [{ position: 0, end: 10, count: 10, first: true }] });
  expect(batchRef(10, 10)).toMatchObject({ sequence: 1, after: batchRef(0, 10).startId });
  expect(batchRef(10, 10).ranges[0]).not.toHaveProperty('first');
});
