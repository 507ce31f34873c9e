import { expect, test } from 'vitest';
import { compileFeatures, foldBatch, MemoryStore } from '../../features/index.ts';
import { decodeEvents } from '../../pipelines/decode-event.ts';
import { decodeFeatures } from '../../contracts/features-frame.ts';
import { paymentsPipeline } from '../live/payments.ts';
import { poisonCorpus } from './poison-corpus.ts';
import { oneRange } from '../contracts/one-range.ts';

test('has 200 records, each another one', () => {
  expect(poisonCorpus.length).toBe(200);
  expect(new Set(poisonCorpus.map(({ value }) => value?.toString('base64'))).size).toBe(poisonCorpus.length);
  expect(new Set(poisonCorpus.map(({ name }) => name)).size).toBe(poisonCorpus.length);
});

test('each is refused, for the reason that it says', async () => {
  const pipeline = paymentsPipeline({ name: 'p', topic: 't' });
  const records = poisonCorpus.map(({ value }, offset) => ({
    partition: 0,
    offset,
    timestampMs: Date.UTC(2026, 6, 1),
    key: null,
    value,
  }));
  const { events, rejections } = decodeEvents(pipeline, records, { clockMs: Date.now() });
  const topic = { deployment: 'test', pipeline: 'p', epoch: 0, topic: 't' };
  const batch = oneRange(topic, { count: records.length, first: true });
  const frame = await new MemoryStore().apply(
    batch,
    foldBatch(
      compileFeatures(pipeline),
      batch,
      records.map(({ offset }) => offset),
      events,
      rejections,
    ),
  );
  const { header } = decodeFeatures(frame);
  const codes = new Map(header.rejections.map(({ index, code }) => [index, code]));
  expect(poisonCorpus.map(({ name }, i) => [name, codes.get(i)])).toEqual(
    poisonCorpus.map(({ name, code }) => [name, code]),
  );
});
