import { expect, test } from 'vitest';
import { capsOf } from '../../bridge/caps.ts';
import { paymentsPipeline } from '../live/payments.ts';

const set = { batchRecordsMax: 2_048, frameBytesMax: 1_000 };
const pipeline = paymentsPipeline({ name: 'p', topic: 't' });

test('a narrow pipeline has the caps that are set', () => {
  expect(capsOf(pipeline, set)).toEqual({ recordsMax: 2_048, bytesMax: 1_000 });
});

test.each([
  ['features', { ...pipeline, features: Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`f${i}`, pipeline.features['amount']!])) }],
  ['outputs', { ...pipeline, model: { ...pipeline.model, outputs: { embedding: 1_000 } } }],
])('wide %s make batches smaller, so that they can be recorded', (_, wide) => {
  const { recordsMax } = capsOf(wide, set);
  expect(recordsMax * 1_000 * 4).toBeLessThanOrEqual(512 * 1024);
  expect(recordsMax).toBeGreaterThan(100);
});
