import { describe, expect, test } from 'vitest';
import { decodeFeatures } from '../../contracts/features-frame.ts';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { compileFeatures, foldBatch, MemoryStore } from '../../features/index.ts';
import { trainingDays } from '../../models/fraud/training-table.ts';
import pipeline from '../../pipelines/fraud/index.ts';
import { toEvent } from '../../pipelines/fraud/simulator/payment-event.ts';
import { simulateDays } from '../../pipelines/fraud/simulator/simulate.ts';
import { bookWorld } from '../../pipelines/fraud/simulator/world.ts';

const day = 86_400_000;

/** The pipeline with the handbook's own terminal windows, which leave out the last week. */
const withDelay: AnyPipeline = {
  ...pipeline,
  features: {
    ...pipeline.features,
    delayed_count_7d: { kind: 'window', aggregate: 'count', entity: 'terminal', lengthMs: 7 * day, delayMs: 7 * day },
    delayed_count_30d: { kind: 'window', aggregate: 'count', entity: 'terminal', lengthMs: 30 * day, delayMs: 7 * day },
  },
};

describe("features of the handbook's data set", () => {
  test('are the published ones, on its last payments', async () => {
    const plan = compileFeatures(withDelay);
    const store = new MemoryStore();
    const rows = new Map<number, Record<string, number>>();
    let position = 0;
    for (const payments of simulateDays(bookWorld)) {
      const begin = position;
      position += payments.length;
      // The longest window reaches back 37 days; what lies before cannot matter.
      if (payments[0]!.day < bookWorld.days - 40) continue;
      const events = payments.map((payment, recordIndex) => {
        const event = toEvent(payment, begin + recordIndex);
        return {
          recordIndex,
          offset: begin + recordIndex,
          event,
          eventTimeMs: pipeline.eventTimeMs(event),
          entityKeys: [event.customerId, event.terminalId],
        };
      });
      const batch = {
        deployment: 'test',
        pipeline: 'fraud',
        epoch: 0,
        topic: 'transactions',
        layout: 0,
        chain: 0,
        sequence: 0,
        ranges: [
          {
            partition: 0,
            position: begin,
            end: position,
            count: events.length,
            ...(payments[0]!.day === bookWorld.days - 40 ? { first: true as const } : {}),
          },
        ],
      };
      const { header, values } = decodeFeatures(
        await store.apply(
          batch,
          foldBatch(
            plan,
            batch,
            events.map(({ offset }) => offset),
            events,
            [],
          ),
        ),
      );
      for (const wanted of [1_754_150, 1_754_154]) {
        if (wanted < begin || wanted >= position) continue;
        const from = (wanted - begin) * header.names.length;
        rows.set(wanted, Object.fromEntries(header.names.map((name, column) => [name, values[from + column]!])));
      }
    }
    expect(rows.get(1_754_154)).toMatchObject({
      amount: Math.fround(23.59),
      customer_count_30d: 119,
      customer_mean_amount_30d: expect.closeTo(37.251513, 5),
      customer_mean_amount_7d: expect.closeTo(35.308333, 5),
      delayed_count_7d: 12,
      delayed_count_30d: 41,
    });
    expect(rows.get(1_754_150)).toMatchObject({
      customer_mean_amount_7d: expect.closeTo(67.0475, 5),
      customer_count_30d: 72,
      delayed_count_30d: 28,
    });
  }, 120_000);

  test('make a training table with a row and a truth for every payment', async () => {
    const world = { ...bookWorld, customers: 50, terminals: 100, days: 10, radius: 20 };
    const days = [];
    for await (const each of trainingDays(world)) days.push(each);
    expect(days.map((each) => each.day)).toEqual(Array.from({ length: 10 }, (_, i) => i));
    for (const { names, features, payments } of days) {
      expect(names).toEqual(Object.keys(pipeline.features));
      expect(features).toHaveLength(names.length * payments.length);
      payments.forEach(({ amount }, row) => expect(features[row * names.length]).toBeCloseTo(amount, 3));
    }
  });
});
