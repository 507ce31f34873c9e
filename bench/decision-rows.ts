import { eventKey, partitionOf } from '../contracts/event-key.ts';
import { decodeEvents } from '../pipelines/decode-event.ts';
import pipeline from '../pipelines/fraud/index.ts';
import type { DecisionRow } from '../contracts/delivery.ts';
import { batchRef, paymentRecords } from './records.ts';

const featureNames = Object.keys(pipeline.features);

/** Decisions on the first payments of the simulated world, with made-up features and scores. */
export function decisionRows(count: number): DecisionRow[] {
  const topic = batchRef(0, count);
  const { events } = decodeEvents(pipeline, paymentRecords(count), { clockMs: Date.now() });
  return events.map(({ partition, offset, eventId, recordTimeMs, headers, eventTimeMs, event, entityKeys }) => ({
    eventKey: eventKey(partitionOf(topic, partition), offset),
    eventId,
    partition,
    offset,
    recordTimeMs,
    headers,
    eventTimeMs,
    event,
    entities: Object.fromEntries(Object.keys(pipeline.entities).map((name, i) => [name, entityKeys[i]!])),
    features: {
      names: featureNames,
      values: Float32Array.from(featureNames, (_, i) => (offset * (i + 1)) % 97),
      from: 0,
    },
    prediction: { score: Math.fround((offset % 1_000) / 1_000) },
    model: { name: 'fraud', version: '1' },
    degraded: false,
    late: false,
    outcome: 'approve',
    why: 'score below the review band',
  }));
}
