import { describe, expect, test } from 'vitest';
import { compileFeatures, foldBatch, MemoryStore } from '../../../features/index.ts';
import { decodeFeatures } from '../../../contracts/features-frame.ts';
import pipeline, { blockScoreMin, reviewScoreMin } from '../../../pipelines/fraud/index.ts';
import { parse } from './parse.ts';
import { toEvent } from '../../../pipelines/fraud/simulator/payment-event.ts';
import { simulateDays } from '../../../pipelines/fraud/simulator/simulate.ts';
import { bookWorld } from '../../../pipelines/fraud/simulator/world.ts';
import { oneRange } from '../../contracts/one-range.ts';

const dayMs = 86_400_000;

function at(eventTime: string) {
  return parse({ transactionId: 't', eventTime, customerId: 'c', terminalId: 't', amount: 12.5 });
}

function valueOf(name: string, eventTime: string): number {
  const feature = pipeline.features[name]!;
  if (feature.kind !== 'value') return expect.unreachable();
  return feature.of(at(eventTime));
}

describe('the fraud pipeline', () => {
  test.each([
    ['2018-04-01T12:00:00Z', 1, 0],
    ['2018-04-02T06:59:59.999Z', 0, 1],
    ['2018-04-02T07:00:00Z', 0, 0],
    ['2018-04-07T00:00:00Z', 1, 1],
    ['2018-04-09T01:30:00+02:00', 1, 0],
  ])('knows weekend and night: %s', (eventTime, weekend, night) => {
    expect([valueOf('during_weekend', eventTime), valueOf('during_night', eventTime)]).toEqual([weekend, night]);
  });

  test.each([
    [reviewScoreMin - 0.001, 'approve', ['lake', 'dashboard', 'decisions']],
    [reviewScoreMin, 'review', ['lake', 'dashboard', 'decisions', 'review']],
    [blockScoreMin, 'block', ['lake', 'dashboard', 'decisions']],
  ])('decides on a score of %d: %s', (score, outcome, sinks) => {
    const input = { event: at('2018-04-01T12:00:00Z'), features: {}, prediction: { score }, degraded: false };
    const decision = pipeline.decide(input);
    expect(decision.outcome).toBe(outcome);
    expect(
      pipeline.sinks.filter((binding) => binding.when?.({ ...input, ...decision }) ?? true).map(({ sink }) => sink),
    ).toEqual(sinks);
  });

  test("computes the handbook's features over the simulated payments", async () => {
    const world = { ...bookWorld, customers: 50, terminals: 100, days: 35, radius: 20 };
    const payments = [...simulateDays(world)].flat();
    const events = payments.map((payment, offset) => {
      const event = parse(toEvent(payment, offset));
      return {
        recordIndex: offset,
        offset,
        event,
        eventTimeMs: pipeline.eventTimeMs(event),
        entityKeys: [event.customerId, event.terminalId],
      };
    });
    const topic = { deployment: 'test', pipeline: 'fraud', epoch: 0, topic: 'transactions' };
    const batch = oneRange(topic, { count: events.length, first: true });
    const result = await new MemoryStore().apply(
      batch,
      foldBatch(
        compileFeatures(pipeline),
        batch,
        events.map(({ offset }) => offset),
        events,
        [],
      ),
    );
    const { header, values } = decodeFeatures(result);
    // The newest rows have the longest past; each is recomputed from its definition.
    for (let row = events.length - 60; row < events.length; row++) {
      const { event, eventTimeMs } = events[row]!;
      const features = Object.fromEntries(
        header.names.map((name, column) => [name, values[row * header.names.length + column]!]),
      );
      for (const [entity, key] of [
        ['customer', 'customerId'],
        ['terminal', 'terminalId'],
      ] as const) {
        for (const days of [1, 7, 30]) {
          const past = events
            .slice(0, row + 1)
            .filter((other) => other.event[key] === event[key] && other.eventTimeMs > eventTimeMs - days * dayMs);
          expect(features[`${entity}_count_${days}d`]).toBe(past.length);
          const mean = past.reduce((sum, other) => sum + other.event.amount, 0) / past.length;
          expect(features[`${entity}_mean_amount_${days}d`]! / mean).toBeCloseTo(1, 6);
        }
      }
    }
  });
});
