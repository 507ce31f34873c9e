import type { Decisions } from '../contracts/decisions-frame.ts';
import { eventKeyPrefix, partitionOf, type BatchRef } from '../contracts/event-key.ts';
import { featureRow, type Features } from '../contracts/features-frame.ts';
import type { Prediction } from '../contracts/pipeline.ts';
import type { DecodedEvent } from '../pipelines/decode-event.ts';
import type { DecisionRow } from '../contracts/delivery.ts';
import type { LoadedBatch } from './loaded-batch.ts';

/** A row of a prediction matrix. */
export function predictionOf(
  outputs: readonly { name: string; width: number }[],
  predictions: Float32Array,
  row: number,
): Prediction {
  let widthOfAll = 0;
  for (const { width } of outputs) widthOfAll += width;
  let at = row * widthOfAll;
  const prediction: Prediction = {};
  for (const { name, width } of outputs) {
    prediction[name] = width === 1 ? predictions[at]! : Array.from(predictions.subarray(at, at + width));
    at += width;
  }
  return prediction;
}

function entitiesOf(names: readonly string[], keys: readonly string[]): Record<string, string> {
  const entities: Record<string, string> = {};
  for (let i = 0; i < names.length; i++) entities[names[i]!] = keys[i]!;
  return entities;
}

/** The rows of a batch as sinks see them: what was recorded, joined. */
export function decisionRows(
  batch: BatchRef,
  { pipeline, events, features }: LoadedBatch,
  decisions: Decisions,
): DecisionRow[] {
  const decided: DecidedBatch = {
    keyPrefixes: new Map(
      batch.ranges.map(({ partition }) => [partition, eventKeyPrefix(partitionOf(batch, partition))]),
    ),
    entityNames: Object.keys(pipeline.entities),
    late: new Set(features.header.late),
    events,
    features,
    decisions,
  };
  const rows: DecisionRow[] = [];
  for (let row = 0; row < events.length; row++) rows.push(new DecidedRow(decided, row));
  return rows;
}

interface DecidedBatch {
  /** By partition; made once for all rows. */
  keyPrefixes: ReadonlyMap<number, string>;
  entityNames: readonly string[];
  /** By row. */
  late: ReadonlySet<number>;
  events: readonly DecodedEvent[];
  features: Features;
  decisions: Decisions;
}

/**
 * A row that looks its parts up when it is asked. Rows live until the slowest sink has taken them: as objects with all their parts
 * they would be a quarter of what the worker's garbage collector has to move.
 */
class DecidedRow implements DecisionRow {
  readonly #batch: DecidedBatch;
  readonly #row: number;

  constructor(batch: DecidedBatch, row: number) {
    this.#batch = batch;
    this.#row = row;
  }

  get #event(): DecodedEvent {
    return this.#batch.events[this.#row]!;
  }

  get eventKey() {
    return this.#batch.keyPrefixes.get(this.partition)! + this.offset;
  }

  get eventId() {
    return this.#event.eventId;
  }

  get partition() {
    return this.#event.partition;
  }

  get offset() {
    return this.#event.offset;
  }

  get recordTimeMs() {
    return this.#event.recordTimeMs;
  }

  get headers() {
    return this.#event.headers;
  }

  get eventTimeMs() {
    return this.#event.eventTimeMs;
  }

  get entities() {
    return entitiesOf(this.#batch.entityNames, this.#event.entityKeys);
  }

  get event() {
    return this.#event.event;
  }

  get features() {
    return featureRow(this.#batch.features, this.#row);
  }

  get prediction() {
    const { header, predictions } = this.#batch.decisions;
    return predictionOf(header.outputs, predictions, this.#row);
  }

  get model() {
    return this.#batch.decisions.header.model;
  }

  get degraded() {
    return this.#batch.decisions.degraded[this.#row] === 1;
  }

  get late() {
    return this.#batch.late.has(this.#row);
  }

  get outcome() {
    const { header, outcome } = this.#batch.decisions;
    return header.outcomes[outcome[this.#row]!]!;
  }

  get why() {
    const { header, why } = this.#batch.decisions;
    return header.whys[why[this.#row]!]!;
  }
}
