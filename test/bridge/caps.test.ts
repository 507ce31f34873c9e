import { describe, expect, test } from 'vitest';
import { capsOf, followingCaps } from '../../bridge/caps.ts';
import { paymentsPipeline } from '../live/payments.ts';

const set = { batchRecordsMax: 2_048, frameBytesMax: 1_000 };
const pipeline = paymentsPipeline({ name: 'p', topic: 't' });

test('a narrow pipeline has the caps that are set', () => {
  expect(capsOf(pipeline, set)).toEqual({ recordsMax: 2_048, bytesMax: 1_000 });
});

test.each([
  [
    'features',
    {
      ...pipeline,
      features: Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`f${i}`, pipeline.features['amount']!])),
    },
  ],
  ['outputs', { ...pipeline, model: { ...pipeline.model, outputs: { embedding: 1_000 } } }],
])('wide %s make batches smaller, so that they can be recorded', (_, wide) => {
  const { recordsMax } = capsOf(wide, set);
  expect(recordsMax * 1_000 * 4).toBeLessThanOrEqual(512 * 1024);
  expect(recordsMax).toBeGreaterThan(100);
});

describe('caps that follow how long batches take', () => {
  const caps = () => followingCaps({ recordsMax: 2_048, bytesMax: 1_000 }, 2_000);

  /** Full batches at this pace; returns the caps behind each. */
  const run = (following: ReturnType<typeof caps>, msPerRecord: number, batches: number) =>
    Array.from({ length: batches }, () => {
      const records = following.recordsMax;
      following.scored?.(records, records * msPerRecord);
      return following.recordsMax;
    });

  test('stay as they are while batches are quick', () => {
    expect(run(caps(), 0.5, 3)).toEqual([2_048, 2_048, 2_048]);
  });

  test('come down to what a slow model answers in time, and stay there', () => {
    expect(run(caps(), 20, 8)).toEqual([1_024, 512, 256, 128, 100, 100, 100, 100]);
    expect(run(caps(), 5_000, 20).at(-1)).toBe(1);
  });

  test('come back when it is quick again', () => {
    const following = caps();
    run(following, 20, 8);
    expect(run(following, 0.1, 4)).toEqual([400, 1_600, 2_048, 2_048]);
  });

  test('are halved once by an outage that many batches waited for, and not by a small batch that was quick', () => {
    const following = caps();
    for (let partition = 0; partition < 8; partition++) following.scored?.(2_048, 60_000);
    expect(following.recordsMax).toBe(1_024);
    following.scored?.(3, 10);
    expect(following.recordsMax).toBe(1_024);
    expect(following.bytesMax).toBe(1_000);
  });

  test('stay where fewer records are no quicker: something else takes the time', () => {
    const following = caps();
    const sizes = Array.from({ length: 6 }, () => {
      following.scored?.(following.recordsMax, 5_000);
      return following.recordsMax;
    });
    expect(sizes).toEqual([1_024, 2_048, 2_048, 2_048, 2_048, 2_048]);
  });

  test('are not moved by a batch that is not full, however long it waited', () => {
    const following = caps();
    following.scored?.(1, 60_000);
    expect(following.recordsMax).toBe(2_048);
  });
});
