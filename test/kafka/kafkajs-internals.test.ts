import { createRequire } from 'node:module';
import type { Batch } from 'kafkajs';
import { expect, test } from 'vitest';
import { assertTested, fetchedOffsetOf } from '../../kafka/kafkajs-internals.ts';

test('another kafkajs than the tested one is refused', () => {
  expect(() => assertTested({ version: '2.2.5' })).toThrow('kafkajs is 2.2.5, and Headrace reaches into 2.2.4');
});

test('a batch knows from which offset it was asked for', () => {
  const KafkaBatch = createRequire(import.meta.url)('kafkajs/src/consumer/batch') as new (
    topic: string,
    fetchedOffset: string,
    partition: object,
  ) => Batch;
  expect(fetchedOffsetOf(new KafkaBatch('t', '7', { partition: 0, highWatermark: '9', messages: [] }))).toBe(7);
});
