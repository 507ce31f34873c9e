import type { Decisions } from '../contracts/decisions-frame.ts';
import { eventKey, type BatchRef } from '../contracts/event-key.ts';
import type { Features } from '../contracts/features-frame.ts';
import type { Prediction } from '../contracts/pipeline.ts';
import type { DecisionRow } from '../sinks/port.ts';
import type { LoadedBatch } from './batches.ts';

/** Features by name, one record per row. */
export function featureRecords({ header, values, recordIndex }: Features): Record<string, number>[] {
  const width = header.names.length;
  return Array.from(recordIndex, (_, row) => {
    const record: Record<string, number> = {};
    for (let column = 0; column < width; column++) record[header.names[column]!] = values[row * width + column]!;
    return record;
  });
}

/** Makes a reader of the rows of a prediction matrix. */
export function predictionReader(outputs: readonly { name: string; width: number }[], predictions: Float32Array): (row: number) => Prediction {
  const widthOfAll = outputs.reduce((sum, { width }) => sum + width, 0);
  return (row) => {
    let at = row * widthOfAll;
    const prediction: Prediction = {};
    for (const { name, width } of outputs) {
      prediction[name] = width === 1 ? predictions[at]! : Array.from(predictions.subarray(at, at + width));
      at += width;
    }
    return prediction;
  };
}

/** The rows of a batch as sinks see them: what was recorded, joined. */
export function decisionRows(batch: BatchRef, { pipeline, events, features, featureRecords: records }: LoadedBatch, decisions: Decisions): DecisionRow[] {
  const names = Object.keys(pipeline.entities);
  const late = new Set(features.header.late);
  const { outputs, outcomes, whys, model } = decisions.header;
  const predictionOf = predictionReader(outputs, decisions.predictions);
  const entitiesOf = (keys: readonly string[]) => {
    const entities: Record<string, string> = {};
    for (let i = 0; i < names.length; i++) entities[names[i]!] = keys[i]!;
    return entities;
  };
  return events.map((decoded, row) => ({
    eventKey: eventKey(batch, decoded.offset),
    eventId: decoded.eventId,
    offset: decoded.offset,
    recordTimeMs: decoded.recordTimeMs,
    eventTimeMs: decoded.eventTimeMs,
    entities: entitiesOf(decoded.entityKeys),
    event: decoded.event,
    features: records[row]!,
    prediction: predictionOf(row),
    model,
    degraded: decisions.degraded[row] === 1,
    late: late.has(row),
    outcome: outcomes[decisions.outcome[row]!]!,
    why: whys[decisions.why[row]!]!,
  }));
}
