import { decisionsTopic, eventKeyHeader } from '../contracts/names.ts';
import { failureOf } from './kafka-failure.ts';
import type { DecisionRow } from '../contracts/delivery.ts';
import type { Sink } from './port.ts';

/** What the sink needs of Kafka. */
export interface PublishPort {
  publish(
    topic: string,
    messages: Iterable<{ key: string; value: string; headers: Record<string, string> }>,
    signal?: AbortSignal,
  ): Promise<void>;
}

/**
 * Publishes each decision to `<pipeline>.decisions`, keyed by the first entity, with the event key in a header. At-least-once:
 * a reader that cannot take a repeat de-duplicates by that header. An aborted delivery stops waiting at once; what is on its way
 * to Kafka then arrives or not.
 */
export function createDecisionsTopicSink(publisher: PublishPort): Sink {
  return {
    name: 'decisions',
    async deliver({ pipeline, rows }, signal) {
      try {
        await publisher.publish(decisionsTopic(pipeline.name), messagesOf(rows), signal);
      } catch (error) {
        throw failureOf(decisionsTopic(pipeline.name), error);
      }
    },
    close: () => Promise.resolve(),
  };
}

/** One after another: together they would be several times as large as what is sent. */
function* messagesOf(rows: readonly DecisionRow[]) {
  for (const row of rows) yield messageOfRow(row);
}

function messageOfRow(row: DecisionRow) {
  const message = decisionMessage(row);
  return {
    key: Object.values(message.entities)[0]!,
    value: JSON.stringify(message),
    headers: { [eventKeyHeader]: message.eventKey, 'headrace-outcome': message.outcome },
  };
}

/** The value of a decision message: what other consumer groups rely on. */
function decisionMessage(row: DecisionRow) {
  const { eventKey, eventId, entities, outcome, why, prediction, model, degraded, late } = row;
  return {
    eventKey,
    eventId,
    eventTime: new Date(row.eventTimeMs).toISOString(),
    entities,
    outcome,
    why,
    prediction,
    model,
    degraded,
    late,
  };
}
